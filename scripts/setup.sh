#!/usr/bin/env bash
# Prepares a checkout: compiler and libraries (apt, dnf or brew, only what is missing), npm packages, the native
# addon and the TypeScript build. May be run again at any time; what is up to date is left alone.
# Needs Node >= 20, and root or sudo if a system package is missing. Not for users of the npm package.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command quietly; on failure shows the end of what it printed.
quietly() {
  local what=$1
  shift
  say "$what"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    die "failed: $what ($*)"
  fi
}

has() { command -v "$1" >/dev/null 2>&1; }

has node || die 'Node.js is not installed; version 20 or newer is needed: https://nodejs.org'
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge 20 ] || die "Node.js 20 or newer is needed, this is $(node --version)"
has npm || die 'npm is not installed; it normally comes with Node.js'

# --- system packages ---------------------------------------------------------------------------------------------

has_highway() {
  printf '#include <hwy/highway.h>\nint main() {}\n' | c++ -std=c++17 -fsyntax-only -x c++ - >/dev/null 2>&1
}

# Where the package managers put it; the build finds it through CMake.
has_eigen() {
  local prefix
  for prefix in /usr /usr/local "${HOMEBREW_PREFIX:-/opt/homebrew}"; do
    [ ! -e "$prefix/include/eigen3/Eigen/Core" ] || return 0
  done
  return 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "root is needed to install system packages; install them yourself: $*"
  fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@"; }
dnf_install() { as_root dnf install -y "$@"; }
brew_install() { brew install "$@"; }

apt_install() {
  apt_get update
  apt_get install -y --no-install-recommends "$@"
}

# Prints the packages that are missing, by the names of the package manager at hand.
missing_packages() {
  local compiler=$1 ninja=$2 highway=$3 eigen=$4 certificates=$5
  has c++ || echo "$compiler"
  has cmake || echo cmake
  has ninja || has ninja-build || echo "$ninja"
  { has c++ && has_highway; } || echo "$highway"
  has_eigen || echo "$eigen"
  [ -z "$certificates" ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki/tls/certs ] || echo "$certificates"
}

if has apt-get; then
  missing=$(missing_packages g++ ninja-build libhwy-dev libeigen3-dev ca-certificates)
  installer=apt_install
elif has dnf; then
  missing=$(missing_packages gcc-c++ ninja-build highway-devel eigen3-devel ca-certificates)
  installer=dnf_install
elif has brew; then
  # Compilers do not look below Homebrew's prefix by themselves.
  export CPATH="$(brew --prefix)/include${CPATH:+:$CPATH}" LIBRARY_PATH="$(brew --prefix)/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"
  missing=$(missing_packages gcc ninja highway eigen '')
  installer=brew_install
else
  missing=$(missing_packages 'a C++17 compiler (c++)' ninja 'Highway (libhwy)' 'Eigen 3' '')
  [ -z "$missing" ] || die "no apt-get, dnf or brew here; please install: $(echo "$missing" | paste -sd, -)"
fi
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086  # one word per package
  quietly "installing $(echo $missing)" "$installer" $missing
  has c++ && has_highway || die 'the compiler still cannot find hwy/highway.h (Highway); is libhwy-dev complete?'
fi

# --- npm packages ------------------------------------------------------------------------------------------------

# Whether what npm says it installed is what the lock file wants; packages for other platforms may be absent.
npm_packages_match() {
  node -e '
    const packages = (path) => JSON.parse(require("fs").readFileSync(path, "utf8")).packages;
    const installed = packages("node_modules/.package-lock.json");
    const matches = ([path, wanted]) =>
      path === "" || (path in installed ? installed[path].integrity === wanted.integrity : wanted.optional);
    process.exit(Object.entries(packages("package-lock.json")).every(matches) ? 0 : 1);
  ' 2>/dev/null
}

npm_packages_match || quietly 'installing npm packages (npm ci)' npm ci --no-audit --no-fund

# --- native addon and TypeScript ---------------------------------------------------------------------------------

# True when $1 is absent, or a file under the other arguments is newer.
outdated() {
  local target=$1
  shift
  [ ! -e "$target" ] || [ -n "$(find "$@" -type f -newer "$target" -print -quit)" ]
}

# Runs a build unless its stamp is newer than everything it is made from: build_once STAMP RESULT WHAT SCRIPT SOURCE...
# Stamps, because neither ninja nor tsc touches a result that would not change.
build_once() {
  local stamp=$1 result=$2 what=$3 script=$4
  shift 4
  if [ -e "$result" ] && [ -e "$stamp" ] && [ -z "$(find "$@" -newer "$stamp" -print -quit)" ]; then return; fi
  mkdir -p build
  touch build/.started
  quietly "$what" npm run --silent "$script"
  [ -e "$result" ] || die "the build ended without $result"
  mv build/.started "$stamp"
}

build_once build/.native-built build/Release/ganvas.node \
  'building the native addon (a minute or two the first time)' build:native native CMakeLists.txt package-lock.json
build_once build/.ts-built dist/cli/main.js 'building the TypeScript' build:ts \
  src scripts/bundle.mjs tsconfig.json tsconfig.build.json package-lock.json

# npx looks for the package's own command here; npm links it only for packages that depend on ganvas.
chmod +x dist/cli/main.js
mkdir -p node_modules/.bin
ln -sf ../../dist/cli/main.js node_modules/.bin/ganvas

say 'ready: npx ganvas --help'
