# What the Linux guests are asked to do. Its output, between the two marks, is the same in every mode.
#   address=10.0.0.1 peer=10.0.0.2   on the kernel's command line: ping another guest
echo '--- script begins'
uname -m
echo "$(expr 6 '*' 7) is the answer"

# processes and pipes
seq 1 2000 | sort -r | md5sum
seq 1 20000 | gzip | gunzip | md5sum
for i in 1 2 3 4 5 6 7 8; do (exit $i) & wait $!; echo "child $i: $?"; done
seq 1 500 | while read -r n; do echo $((n * n)); done | tail -n 1

# a file system on the IDE disk, and one in a file on it
if [ -b /dev/sda ]; then
  mke2fs -F /dev/sda >/dev/null && mount -t ext2 /dev/sda /mnt
  dd if=/dev/zero of=/mnt/image bs=1k count=1024 2>/dev/null
  mke2fs -F /mnt/image >/dev/null
  mkdir -p /tmp/loop && mount -t ext2 -o loop /mnt/image /tmp/loop
  seq 1 5000 >/tmp/loop/numbers
  umount /tmp/loop && umount /mnt
  echo 3 >/proc/sys/vm/drop_caches
  mount -t ext2 /dev/sda /mnt && mount -t ext2 -o loop /mnt/image /tmp/loop
  md5sum /tmp/loop/numbers
  umount /tmp/loop && umount /mnt
fi

# another guest; it is given time to come up, and to finish
if [ -n "$address" ]; then
  ifconfig eth0 "$address" netmask 255.255.255.0 up
  until ping -c 1 -W 1 "$peer" >/dev/null 2>&1; do sleep 1; done
  ping -c 3 "$peer" | grep packets
  sleep 5
fi
echo '--- script ends'
