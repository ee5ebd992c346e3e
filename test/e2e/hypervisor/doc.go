// Package hypervisor starts machines for tests, as EC2 starts instances.
//
// A real shell and a real systemd run the user data, with all the restrictions that its
// units set.
//
// A machine is a process tree in its own namespaces. It has its own root directory,
// network and systemd. It sees the host's programs in /usr, read-only. It has stand-ins
// only for what a host cannot offer: a package manager that has one Python, an index of
// Python packages (a directory of wheels), and the metadata service.
//
// It needs root and Linux.
package hypervisor
