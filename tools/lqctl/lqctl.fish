# SPDX-License-Identifier: GPL-2.0
# Completion of lqctl for fish. Commands and options are what lqctl says itself.

function __lqctl_commands
    for line in (lqctl --help 2>/dev/null)
        set -l found (string match -rg '^  ([a-z]+) {2,}(.*)$' -- $line)
        and printf '%s\t%s\n' $found[1] $found[2]
    end
end

function __lqctl_command
    # The command of the line so far.
    for word in (commandline -opc)[2..]
        if string match -qr '^[a-z]' -- $word
            echo $word
            return 0
        end
    end
    return 1
end

function __lqctl_options
    set -l command (__lqctl_command)
    for line in (lqctl $command --help 2>/dev/null)
        set -l found (string match -rg '^  (?:-[A-Za-z],)?(--[a-z-]+)(?: [A-Z]+)?(?: REQUIRED)? +(.*)$' -- $line)
        or continue
        printf '%s\t%s\n' $found[1] $found[2]
    end
end

set -g __lqctl_policies linux linux-classic linux-modern linux-2.4 bsd berkeley freebsd freebsd-4 \
    aix hpux solaris xnu windows linux-2.0 bsdos-3.0 illumos

# SETTING=value for those whose values have names.
function __lqctl_values
    set -l name (string replace -r '=.*' '' -- $argv[1])
    switch $name
        case policy
            printf "$name=%s\n" $__lqctl_policies
        case accept_filter
            printf "$name=%s\n" dataready httpready dnsready tlsready
        case accept_dead
            printf "$name=%s\n" skip keep skip-fin
        case accept_order
            printf "$name=%s\n" fifo lifo adaptive
        case syncookies
            printf "$name=%s\n" 0 1 2
        case abort_on_overflow migrate reset_acked
            printf "$name=%s\n" 0 1
    end
end

function __lqctl_arguments
    switch (__lqctl_command)
        case list show adopt release drain hold explain requests top reset monitor export serve
            printf '%s\n' sport src policy name drops recv-q syn-q and or not
            # Where somebody listens.
            lqctl list --no-header --numeric 2>/dev/null | string match -rg ':([0-9]+) *$' | sort -un |
                string replace -r '^' ':'
        case get
            for file in /proc/sys/net/listenq/*
                string replace -r '.*/' '' $file
            end
            printf '%s\n' net.core.somaxconn net.ipv4.tcp_{abort_on_overflow,max_syn_backlog,migrate_req,synack_retries,syncookies}
        case set
            for file in /proc/sys/net/listenq/*
                echo (string replace -r '.*/' '' $file)=
            end
            printf '%s\n' net.core.somaxconn= net.ipv4.tcp_{abort_on_overflow,max_syn_backlog,migrate_req,synack_retries,syncookies}=
            printf '%s\n' backlog= accept_filter= # of listeners alone
            __lqctl_values (commandline -ct)
        case probe
            printf '%s\n' $__lqctl_policies
        case record report
            __fish_complete_path (commandline -ct)
    end
end

complete -c lqctl -f
complete -c lqctl -n 'not __lqctl_command >/dev/null' -a '(__lqctl_commands)'
complete -c lqctl -n 'not __lqctl_command >/dev/null' -l version -d 'The version'
complete -c lqctl -n 'string match -qr "^-" -- (commandline -ct)' -a '(__lqctl_options)'
complete -c lqctl -n '__lqctl_command >/dev/null' -a '(__lqctl_arguments)'
