#compdef lqrun
# SPDX-License-Identifier: GPL-2.0
# Completion of lqrun for zsh: its options, then the program's own completion.

_arguments -s -S \
	'(-b --backlog)'{-b+,--backlog=}'[this backlog, instead of the program'\''s own]:backlog: ' \
	'(-a --accept-filter)'{-a+,--accept-filter=}'[hold connections back until enough has come]:filter:(dataready httpready dnsready tlsready)' \
	'(-s --strict)'{-s,--strict}'[no plain TCP: fail instead]' \
	'(-f --family)'{-f+,--family=}'[the number of the family]:number: ' \
	'(-v --verbose)'{-v,--verbose}'[report each socket and each backlog changed]' \
	'(- *)'{-h,--help}'[a summary]' \
	'(- *)'{-V,--version}'[the version]' \
	'(-):program:_command_names -e' \
	'*::arguments:_normal'
