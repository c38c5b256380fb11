# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of lqctl for bash.

_lqctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} command='' words='' i

	# bash makes a word of its own of each "=" and ":".
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		list | show | adopt | release | drain | hold | explain | requests | stats | top | get | set | reset | probe | \
			monitor | export | record | report)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $command in
	'')
		words='list show adopt release drain hold explain requests stats top get set reset probe'
		words+=' monitor export record report'
		words+=' --version --help'
		;;
	list)
		words='--no-header --all --numeric --extended --processes --netstat --json --help'
		;;
	show) words='--numeric --json --help' ;;
	adopt)
		words='--pid --fd --all --cgroup --netns --dry-run --backlog --policy --accept-filter'
		words+=' --syn-backlog --abort-on-overflow --synack-retries --syncookies'
		words+=' --numeric --json --help'
		;;
	release)
		words='--pid --fd --all --cgroup --netns --dry-run --timeout --no-wait --numeric --json'
		words+=' --help'
		;;
	drain) words='--end --timeout --no-wait --json --help' ;;
	hold) words='--time --no-wait --json --help' ;;
	explain) words='--numeric --interval --json --check --since --netns --all-netns --help' ;;
	requests) words='--no-header --numeric --json --help' ;;
	stats) words='--zeros --since --interval --count --json --help' ;;
	top) words='--numeric --batch --interval --count --help' ;;
	reset) words='--json --help' ;;
	export) words='--prometheus --output --help' ;;
	get) words='--values --netns --json --help' ;;
	set) words='--listener --netns --json --help' ;;
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
			words+=' backlog= accept_filter=' # of listeners alone
			compopt -o nospace
			;;
		list | show | adopt | release | drain | hold | explain | requests | top | reset | monitor)
			words='sport src policy name drops recv-q syn-q and or not'
			;;
		probe)
			words='linux linux-classic linux-modern linux-2.4 bsd berkeley freebsd freebsd-4'
			words+=' aix hpux solaris xnu windows linux-2.0 bsdos-3.0 illumos'
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
	printf '%s\n' net.core.somaxconn \
		net.ipv4.tcp_{abort_on_overflow,max_syn_backlog,migrate_req,synack_retries,syncookies}
}

complete -F _lqctl lqctl
