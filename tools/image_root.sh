#!/usr/bin/env bash
# image_root.sh PROGRAM FOLDER: all files of the container image: the program, the libraries it loads, certificates, a user. No shell,
# no package manager. The Dockerfile copies FOLDER to /; owners are set there only if root runs this.
set -euo pipefail

program=$1 folder=$2
user=65532 # as other images without a shell have it; nobody else's number

mkdir -p "$folder"/{usr/bin,etc/ssl/certs,data,tmp,proc}
cp "$program" "$folder/usr/bin/tertulia"
# Each library under the name that the loader looks for, whatever links lead there; the loader itself too.
ldd "$program" | grep -oE '/[^ ]+' | while IFS= read -r library; do
    mkdir -p "$folder$(dirname "$library")"
    cp -L "$library" "$folder$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/none\ntertulia:x:%s:%s:tertulia:/data:/none\n' "$user" "$user" >"$folder/etc/passwd"
printf 'root:x:0:\ntertulia:x:%s:\n' "$user" >"$folder/etc/group"
printf 'hosts: files dns\n' >"$folder/etc/nsswitch.conf"
chmod 1777 "$folder/tmp"
chmod 700 "$folder/data"
if ((EUID == 0)); then chown "$user:$user" "$folder/data"; fi
