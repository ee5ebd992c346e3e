#!/bin/bash
# Prepares a container: it is process 1 of its namespaces, lays out what the container
# sees, and becomes its init. Its environment is the container's. $1 is the container's
# directory on the host; after it come the directories of the image, a --, and the command.
set -euo pipefail
path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
dir=$1
shift

root=$dir/root
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
while [ "$1" != -- ]; do
  mount --bind "$1" ".$1"
  mount -o remount,bind,ro ".$1"
  shift
done
shift
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do
  touch dev/$d
  mount --bind /dev/$d dev/$d
done
mkdir dev/shm
mount -t tmpfs tmpfs dev/shm
ln -s /proc/self/fd dev/fd

# The endpoints for metadata and credentials are at this address.
ip link set lo up
ip address add 169.254.170.2/32 dev lo
echo ready >&3
read -r _ <&4 # until the player listens
exec 3>&- 4<&-

mkdir below
pivot_root . below
umount --lazy /below
cd "/$(cat /workdir)"
rmdir /below
PATH=$path
exec /bin/bash /init "$@"
