#compdef lqctl
# SPDX-License-Identifier: GPL-2.0
# Completion of lqctl for zsh. Commands and options are what lqctl says itself.

_lqctl_options() {
	local -a specs
	local line short long text

	"${words[1]}" "$@" --help 2>/dev/null | while IFS= read -r line; do
		[[ $line =~ '^  (-([A-Za-z]),)?--([a-z-]+)( [A-Z]+)?( REQUIRED)?  *(.*)$' ]] || continue
		short=$match[2] long=$match[3]
		text=${match[6]//[\[\]:]/ }
		# With an argument: files for those that name one.
		local after=
		if [[ -n $match[4] ]]; then
			after="=:$long:"
			[[ $long == output ]] && after+=_files
			[[ $long == exec ]] && after+=_cmdstring
		fi
		specs+=("--$long${after%%:*}[$text]${after#=}")
		[[ -z $short ]] || specs+=("-$short${after:++}[$text]${after#=}")
	done
	print -rl -- $specs
}

_lqctl_policies='linux linux-classic linux-modern linux-2.4 bsd berkeley freebsd freebsd-4 aix hpux solaris xnu windows linux-2.0 bsdos-3.0 illumos'

_lqctl_kernels='net.core.somaxconn net.ipv4.tcp_abort_on_overflow net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_migrate_req net.ipv4.tcp_synack_retries net.ipv4.tcp_syncookies'

_lqctl_set() {
	local -a values
	local name named

	# The last two are of listeners alone.
	for name in /proc/sys/net/listenq/*(N:t) ${=_lqctl_kernels} backlog accept_filter; do
		case $name in
		policy) named=$_lqctl_policies ;;
		accept_filter) named='dataready httpready dnsready tlsready' ;;
		accept_dead) named='skip keep skip-fin' ;;
		accept_order) named='fifo lifo adaptive' ;;
		syncookies) named='0 1 2' ;;
		abort_on_overflow | migrate | reset_acked) named='0 1' ;;
		*) named= ;;
		esac
		values+=("$name::value:${named:+($named)}")
	done
	_values -w setting $values
}

_lqctl() {
	local curcontext=$curcontext state line
	typeset -A opt_args

	_arguments -C '--version[the version]' '(-h --help)'{-h,--help}'[what can be said]' \
		'1: :->command' '*:: :->argument'
	case $state in
	command)
		local -a commands
		commands=(${(f)"$("${words[1]}" --help 2>/dev/null |
			sed -n '/^Subcommands:/,$s/^  \([a-z]*\)  *\(.*\)/\1:\2/p')"})
		_describe -t commands 'lqctl command' commands
		;;
	argument)
		local command=$words[1]
		local -a ports
		local -a specs
		# _arguments has made the command the first word.
		words[1]=lqctl specs=(${(f)"$(_lqctl_options $command)"})
		words[1]=$command
		case $command in
		get) specs+=("*:setting:(${(j: :)$(cd /proc/sys/net/listenq 2>/dev/null && print -r -- *(N)) $_lqctl_kernels})") ;;
		set)
			specs+=('*:setting:_lqctl_set')
			;;
		probe)
			specs+=("*:policy:($_lqctl_policies)")
			;;
		report) specs+=('*:recording:_files') ;;
		*)
			# Where somebody listens.
			ports=(${(f)"$(lqctl list --no-header --numeric 2>/dev/null |
				sed -n 's/.*:\([0-9]*\) *$/\\:\1/p' | sort -u)"})
			# One word: completion has rcexpandparam.
			specs+=("*:listener:(sport src policy name drops recv-q syn-q and or not ${(j: :)ports})")
			;;
		esac
		_arguments -s $specs
		;;
	esac
}

_lqctl "$@"
