#!/bin/bash
# The firmware of a machine: it is process 1 of its namespaces, lays out what the
# machine sees, and becomes systemd. $1 is the machine's directory on the host.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" # pivot_root is there, and not on everybody's PATH
dir=$1
. "$dir/machine.env" # python, prefix, wheels, cgroups, address

if [ "${2:-}" = "" ]; then
  # Its control groups begin where it is when the namespace is made.
  for c in $cgroups; do echo 0 >"$c/cgroup.procs"; done
  exec unshare --cgroup bash "$0" "$dir" inside
fi

root=$dir/root
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount --bind /usr usr
mount -o remount,bind,ro usr
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do
  touch dev/$d
  mount --bind /dev/$d dev/$d
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console
mount --bind "$dir/console" dev/console

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi

mount --bind "$dir/doors" doors
mount --bind "$wheels" wheels
mount -o remount,bind,ro wheels
mount --bind "$prefix" opt/python
mount -o remount,bind,ro opt/python
# There is one Python of these versions at most: the package manager's.
for p in usr/{,local/}bin/python3.{9,12}; do
  if [ -e "$p" ]; then mount --bind /dev/null "$p"; fi
done

ip link set lo up
ip address add 169.254.169.254/32 dev lo
hostname "$name"

mkdir below
pivot_root . below
umount --lazy /below
cd /
rmdir /below
exec env -i container=flowbed PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
