#!/usr/bin/env bash
# The flowbed action: installs a release of flowbed, runs a command, and sets the outputs exit-code
# and version. flowbed itself writes the summary of plan, up and down, and sets the outputs changes
# and outputs; of other commands, the summary has what they print. action.yml describes the settings,
# which come in FLOWBED_ACTION_*; the other variables are those of GitHub's runner.
set -euo pipefail

fail() { # MESSAGE
  echo "::error::$1"
  exit 1
}

# install puts the program into $1, after its checksum is verified. GitHub answers for the
# latest release at a path of its own, so that no API, and no token, is needed.
install() {
  local version=${FLOWBED_ACTION_VERSION#v} os arch from archive
  [[ $version =~ ^[0-9A-Za-z.+-]+$ ]] || fail "flowbed: the version '$version' is not a version, such as 0.3.0, or latest"
  case $RUNNER_OS in
    Linux) os=linux ;;
    macOS) os=darwin ;;
    Windows) os=windows ;;
    *) fail "flowbed: there is no release for $RUNNER_OS" ;;
  esac
  case $RUNNER_ARCH in
    X64) arch=amd64 ;;
    ARM64) arch=arm64 ;;
    *) fail "flowbed: there is no release for $RUNNER_ARCH" ;;
  esac
  from=${FLOWBED_ACTION_RELEASES:-https://github.com/flowbed/flowbed/releases}
  if [[ $version == latest ]]; then
    from+=/latest/download
  else
    from+=/download/v$version
  fi

  mkdir -p "$1"
  cd "$1"
  curl -fsSL --retry 3 -o checksums.txt "$from/checksums.txt" ||
    fail "flowbed: there is no release $FLOWBED_ACTION_VERSION at $from"
  archive=$(awk '{print $2}' checksums.txt | grep -E "^flowbed_[0-9][^/]*_${os}_${arch}\.(tar\.gz|zip)$") ||
    fail "flowbed: the release $FLOWBED_ACTION_VERSION has nothing for $os on $arch"
  curl -fsSL --retry 3 -o "$archive" "$from/$archive" ||
    fail "flowbed: $archive cannot be downloaded from $from"
  awk -v archive="$archive" '$2 == archive' checksums.txt > checksum.txt
  # macOS has no sha256sum.
  if ! { sha256sum --check checksum.txt || shasum -a 256 --check checksum.txt; } > /dev/null 2>&1; then
    rm -f "$archive"
    fail "flowbed: the checksum of $archive is wrong; nothing was installed"
  fi
  case $archive in
    *.zip) unzip -oq "$archive" flowbed.exe ;;
    *) tar -xzf "$archive" flowbed ;;
  esac
  rm -f "$archive"
}

# output sets an output of the action, which may have several lines: NAME VALUE
output() {
  local end="end-$RANDOM$RANDOM$RANDOM"
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >> "$GITHUB_OUTPUT"
}

# summarize adds a text to the summary, in a fence that is longer than any in the text: FILE TITLE
summarize() {
  local fence='```' most=900000 # GitHub takes 1 MiB
  while grep -qF "$fence" "$1"; do fence+='`'; done
  {
    printf '### %s\n\n%stext\n' "$2" "$fence"
    head -c "$most" "$1"
    printf '\n%s\n' "$fence"
    if [[ $(wc -c < "$1") -gt $most ]]; then printf '\nThe rest is in the log of the job.\n'; fi
    printf '\n'
  } >> "$GITHUB_STEP_SUMMARY"
}

bin=$RUNNER_TEMP/flowbed
(install "$bin")
echo "$bin" >> "$GITHUB_PATH"
PATH=$(cd "$bin" && pwd):$PATH # on Windows, bash has names of its own for paths
output version "$(flowbed version | sed -n '1s/^flowbed //p')"

read -ra command <<< "$FLOWBED_ACTION_COMMAND" || true
if [[ ${#command[@]} -eq 0 ]]; then
  exit 0
fi
case ${command[0]} in
  plan) command+=(--detailed-exitcode) ;;
  up | down) command+=(--yes) ;;
esac
selection=()
if [[ -n $FLOWBED_ACTION_ENVIRONMENT ]]; then
  selection=(--env "$FLOWBED_ACTION_ENVIRONMENT")
fi

printed=$RUNNER_TEMP/flowbed.txt
code=0
flowbed "${command[@]}" ${selection[@]+"${selection[@]}"} | tee "$printed" || code=$?
output exit-code "$code"
case ${command[0]} in
  plan | up | down) ;;
  *) if [[ -s $printed ]]; then summarize "$printed" "flowbed ${command[0]}${FLOWBED_ACTION_ENVIRONMENT:+: $FLOWBED_ACTION_ENVIRONMENT}"; fi ;;
esac
if [[ ${command[0]}/$code == plan/2 ]]; then # changes are no failure
  code=0
fi
exit "$code"
