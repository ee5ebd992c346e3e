// Package hypervisor starts machines for tests, as EC2 starts instances: what
// the user data says is done by a real shell and by a real systemd, with all the
// restrictions that its units ask for.
//
// A machine is a process tree in namespaces of its own. It has its own root
// directory, its own network and its own systemd; of the machine below it sees
// the programs in /usr, and cannot change them. It has stand-ins for what is not
// to be had there only: a package manager that has one Python, an index of
// Python packages (a directory of wheels), and the metadata service.
//
// It needs root and Linux.
package hypervisor
