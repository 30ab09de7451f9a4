#!/usr/bin/env bash
# A night's work: a nested folder of photos, a power cut, the rest in the morning, a pipe.
# usage: photographer.sh FOLDER RESTORE...   (FOLDER holds photos/; RESTORE is the command)
set -euo pipefail
cd "$1"
shift
restore=("$@")
fast=(--dictionary colour --sigma 10 --stride 4 --quiet)

echo "one evening"
"${restore[@]}" denoise photos/ --recursive -o whole/ "${fast[@]}"

echo "the same evening, cut short"
"${restore[@]}" denoise photos/ --recursive -o restored/ "${fast[@]}" &
until [ -n "$(find restored -name '*.png' 2>/dev/null)" ]; do sleep 0.05; done
kill -9 $!
wait $! || echo "killed with code $?"

echo "the next morning"
"${restore[@]}" denoise photos/ --recursive -o restored/ "${fast[@]}" --skip-existing
find restored -name '.restore-*' -delete
diff --recursive whole restored

echo "what is there already is not touched"
code=0
"${restore[@]}" denoise photos/ --recursive -o restored/ "${fast[@]}" 2>errors || code=$?
[ "$code" -eq 1 ]
[ "$(grep -c 'exists: use --overwrite or --skip-existing' errors)" -eq "$(find whole -type f | wc -l)" ]

echo "one broken photo among the good ones"
head -c 200 photos/a.png >photos/broken.png
code=0
"${restore[@]}" denoise photos/ --recursive -o restored/ "${fast[@]}" --skip-existing 2>errors || code=$?
[ "$code" -eq 1 ]
[ "$(cat errors)" = "restore: photos/broken.png: the PNG is truncated" ]
[ ! -e restored/broken.png ]

echo "through a pipe"
tar -C photos -cf - a.png | tar -xOf - | "${restore[@]}" denoise - -o - "${fast[@]}" >piped.png
cmp piped.png whole/a.png

echo "how good is it"
"${restore[@]}" compare photos/a.png whole/a.png
