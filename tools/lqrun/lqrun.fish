# SPDX-License-Identifier: GPL-2.0
# Completion of lqrun for fish: its options, then the program's own completion.

complete -c lqrun -x -a '(__fish_complete_subcommand)'
complete -c lqrun -s b -l backlog -x -d 'This backlog, instead of the program\'s own'
complete -c lqrun -s a -l accept-filter -x -a 'dataready httpready dnsready tlsready' \
    -d 'Hold connections back until enough has come'
complete -c lqrun -s s -l strict -d 'No plain TCP: fail instead'
complete -c lqrun -s f -l family -x -d 'The number of the family'
complete -c lqrun -s v -l verbose -d 'Report each socket and each backlog changed'
complete -c lqrun -s h -l help -d 'A summary'
complete -c lqrun -s V -l version -d 'The version'
