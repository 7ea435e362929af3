#!/bin/sh
# Fetches the scripts that others publish, by exact version, and checks their digests (npm's integrity values). Needs npm; builds and tests don't.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch PACKAGE VERSION SHA512: unpacks it to $work/PACKAGE
fetch() {
	(cd "$work" && npm pack --silent "$1@$2" >/dev/null)
	archive="$work/$1-$2.tgz"
	digest=$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)
	[ "$digest" = "$3" ] || { echo "$1 $2: digest $digest, want $3" >&2; exit 1; }
	mkdir "$work/$1"
	tar xzf "$archive" -C "$work/$1" --strip-components=1
}

fetch htmx.org 4.0.1 'oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg=='
cp "$work/htmx.org/dist/htmx.min.js" "$work/htmx.org/dist/ext/hx-sse.min.js" vendor/
cp "$work/htmx.org/LICENSE" vendor/htmx.LICENSE

# For tests only: the accessibility rules.
fetch axe-core 4.14.1 'FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=='
cp "$work/axe-core/axe.min.js" ../webtest/testdata/
cp "$work/axe-core/LICENSE" ../webtest/testdata/axe.LICENSE
