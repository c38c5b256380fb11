# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Sourced with "$@" by a script that takes no arguments: -h and --help print the comment that the script
# opens with, and anything else is an error before anything is done.

case ${1-} in
-h | --help)
	sed -n '3,/^[^#]/s/^# \?//p' "$0"
	exit 0
	;;
esac
if [[ $# -gt 0 ]]; then
	printf '%s takes no arguments: %s\n' "${0##*/}" "$*" >&2
	exit 2
fi
