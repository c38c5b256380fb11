# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of lqctl for bash.

_lqctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} command='' words='' i

	# bash makes a word of its own of each "=" and ":".
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		list | stats | get | set | probe | monitor | record | report)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $command in
	'') words='list stats get set probe monitor record report --version --help' ;;
	list) words='--no-header --numeric --extended --json --help' ;;
	stats) words='--zeros --json --help' ;;
	get) words='--values --json --help' ;;
	set) words='--listener --json --help' ;;
	probe) words='--backlogs --tcp --timeout --limit --json --help' ;;
	monitor) words='--numeric --json --warn --exec --help' ;;
	record) words='--output --interval --duration --append --help' ;;
	report) words='--output --title --help' ;;
	esac

	if [[ $command && $cur != -* ]]; then
		words=''
		case $command in
		get) words=$(_lqctl_settings) ;;
		set)
			[[ $cur == '=' || ${COMP_WORDS[COMP_CWORD - 1]} == '=' ]] && return
			words=$(_lqctl_settings | sed 's/$/=/')
			compopt -o nospace
			;;
		probe)
			words='linux linux-modern linux-2.4 bsd berkeley freebsd freebsd-4 aix hpux'
			words+=' solaris xnu windows'
			;;
		record | report) compopt -o default ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

_lqctl_settings()
{
	local file

	for file in /proc/sys/net/listenq/*; do
		[[ -f $file ]] && echo "${file##*/}"
	done
}

complete -F _lqctl lqctl
