# What the Linux guests are asked to do. Its output, between the two marks, is the same in every mode.
echo '--- script begins'
uname -m
echo "$(expr 6 '*' 7) is the answer"
seq 1 2000 | sort -r | md5sum
seq 1 20000 | gzip | gunzip | md5sum
for i in 1 2 3 4 5 6 7 8; do (exit $i) & wait $!; echo "child $i: $?"; done
seq 1 500 | while read -r n; do echo $((n * n)); done | tail -n 1
echo '--- script ends'
