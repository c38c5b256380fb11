# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of lqrun for bash: its options, then the program's own completion.

_lqrun()
{
	local cur=${COMP_WORDS[COMP_CWORD]} i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-a | -b | -f | --accept-filter | --backlog | --family) ((i++)) ;;
		-*) ;;
		*) break ;;
		esac
	done
	if ((i > COMP_CWORD)); then
		COMPREPLY=() # a number
	elif ((i < COMP_CWORD)); then
		# _command_offset is bash-completion's.
		if declare -F _command_offset >/dev/null; then
			_command_offset "$i"
		else
			compopt -o default
		fi
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			'--accept-filter --backlog --strict --family --verbose --help --version' -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		compopt -o filenames
	fi
}

complete -F _lqrun lqrun
