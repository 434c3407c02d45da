#!/usr/bin/env bash
# Installs a packed ganvas where there is nothing but a bare system and Node, without a network, and prints what
# happened as Markdown: how docs/install-transcripts.md is made.
#   scripts/fresh-install.sh TARBALL ROOT
# ROOT is a bare system, made by: debootstrap --variant=minbase bookworm ROOT. This machine's node and npm are copied
# into it; everything runs in a chroot with no network interface. Needs root.
set -euo pipefail
tarball=$1 root=$2

node_folder=$(dirname "$(readlink -f "$(command -v node)")")
npm_folder=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
install -D "$node_folder/node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -r "$npm_folder" "$root/usr/local/lib/node_modules/"
for name in npm npx; do ln -sf "../lib/node_modules/npm/bin/$name-cli.js" "$root/usr/local/bin/$name"; done
rm -rf "$root/root"
install -D "$tarball" "$root/root/$(basename "$tarball")"

# Inside: each command with what it printed and how long it took.
cat >"$root/root/inside.sh" <<'INSIDE'
show() {
  printf '$ %s\n' "$1"
  local begin=$EPOCHREALTIME status=0
  bash -c "$1" </dev/null 2>&1 || status=$?
  local took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 10000))
  [ "$status" = 0 ] || printf '[exit code %s]\n' "$status"
  printf '[%d.%02d s]\n\n' $((took / 100)) $((took % 100))
  return "$status"
}
set -e
cd /root
. /etc/os-release
printf '## %s\n\n```console\n' "$PRETTY_NAME"
show "getconf GNU_LIBC_VERSION; for tool in cc c++ cmake make python3 git curl; do command -v \$tool; done; cat /sys/class/net/*/operstate 2>/dev/null; node --version; npm --version"
mkdir app && cd app
show "npm install --offline ../$1"
show "node --input-type=module --eval \"import { tensor } from 'ganvas'; console.log(await tensor([1, 2, 3]).sum().item())\""
show "node --eval \"const { tensor } = require('ganvas'); tensor([1, 2, 3]).sum().item().then(console.log)\""
show "npx ganvas train dcgan --steps 20"
show "npx ganvas sample runs/dcgan-digits-001 --n 16 --out grid.png && ls -s grid.png"
show "npx ganvas doctor"
show "du -sh node_modules"
printf '```\n\n'
INSIDE

env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  unshare --net --pid --fork --mount-proc="$root/proc" chroot "$root" bash /root/inside.sh "$(basename "$tarball")"
