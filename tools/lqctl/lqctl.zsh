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
		local command=$words[1] name
		local -a kernels=(net.core.somaxconn net.ipv4.tcp_{abort_on_overflow,max_syn_backlog,migrate_req,synack_retries,syncookies})
		local -a specs
		# _arguments has made the command the first word.
		words[1]=lqctl specs=(${(f)"$(_lqctl_options $command)"})
		words[1]=$command
		case $command in
		get) specs+=("*:setting:(${(j: :)$(cd /proc/sys/net/listenq 2>/dev/null && print -r -- *(N)) $kernels})") ;;
		set)
			# The last two are of listeners alone.
			name=(/proc/sys/net/listenq/*(N:t) $kernels backlog accept_filter)
			specs+=("*:setting:_values -w setting ${(j: :)${name[@]/%/::value:}}")
			;;
		probe)
			specs+=('*:policy:(linux linux-classic linux-modern linux-2.4 bsd berkeley freebsd freebsd-4 aix hpux solaris xnu windows linux-2.0 bsdos-3.0 illumos)')
			;;
		report) specs+=('*:recording:_files') ;;
		*) specs+=('*:listener: ') ;;
		esac
		_arguments -s $specs
		;;
	esac
}

_lqctl "$@"
