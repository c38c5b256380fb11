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
			monitor | export | serve | record | report)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $command in
	'')
		words='list show adopt release drain hold explain requests stats top get set reset probe'
		words+=' monitor export serve record report'
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
	export) words='--prometheus --all-netns --output --help' ;;
	serve) words='--listen --all-netns --help' ;;
	get) words='--values --netns --json --help' ;;
	set) words='--listener --netns --json --help' ;;
	probe) words='--backlogs --tcp --timeout --limit --json --help' ;;
	monitor) words='--numeric --json --journal --warn --exec --help' ;;
	record) words='--output --interval --duration --append --ring --size --help' ;;
	report) words='--output --title --help' ;;
	esac

	if [[ $command && $cur != -* ]]; then
		words=''
		case $command in
		get) words=$(_lqctl_settings) ;;
		set)
			if [[ $cur == '=' ]]; then
				_lqctl_values "${COMP_WORDS[COMP_CWORD - 1]}" ''
				return
			elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == '=' ]]; then
				_lqctl_values "${COMP_WORDS[COMP_CWORD - 2]}" "$cur"
				return
			fi
			words=$(_lqctl_settings | sed 's/$/=/')
			words+=' backlog= accept_filter=' # of listeners alone
			compopt -o nospace
			;;
		list | show | adopt | release | drain | hold | explain | requests | top | reset | monitor | \
			export | serve)
			if [[ $cur == ':' ]]; then
				mapfile -t COMPREPLY < <(_lqctl_ports)
				return
			elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == ':' ]]; then
				mapfile -t COMPREPLY < <(compgen -W "$(_lqctl_ports)" -- "$cur")
				return
			fi
			words='sport src policy name drops recv-q syn-q and or not'
			words+=" $(_lqctl_ports | sed 's/^/:/')"
			[[ ${COMP_WORDS[*]:COMP_CWORD - 2:2} == 'policy =' ]] && words=$_lqctl_policies
			;;
		probe) words=$_lqctl_policies ;;
		record | report) compopt -o default ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

_lqctl_policies='linux linux-classic linux-modern linux-2.4 bsd berkeley freebsd freebsd-4
	aix hpux solaris xnu windows linux-2.0 bsdos-3.0 illumos'

# Where somebody listens.
_lqctl_ports()
{
	lqctl list --no-header --numeric 2>/dev/null | sed -n 's/.*:\([0-9]\{1,5\}\) *$/\1/p' | sort -un
}

# _lqctl_values SETTING BEGINNING
_lqctl_values()
{
	local words=''

	case $1 in
	policy) words=$_lqctl_policies ;;
	accept_filter) words='dataready httpready dnsready tlsready' ;;
	accept_dead) words='skip keep skip-fin' ;;
	accept_order) words='fifo lifo adaptive' ;;
	syncookies) words='0 1 2' ;;
	abort_on_overflow | migrate | reset_acked) words='0 1' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
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
