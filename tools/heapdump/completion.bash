# completion.bash - bash completion for heapdump. Commands and options are asked of heapdump itself, so they are
# always those that it has; targets are the processes that have the library mapped, and files.

_heapdump_commands() { heapdump --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'; }

_heapdump_options() { # COMMAND - one a line, with = where a value follows
    heapdump "$1" --help | sed -nE 's/^ {2,6}(-[[:alnum:]?], )?(--[a-z-]+=?).*/\2/p'
}

_heapdump_processes() { grep -ls libpwheap /proc/[0-9]*/maps 2>/dev/null | cut -d / -f 3; }

_heapdump() {
    local word=${COMP_WORDS[COMP_CWORD]} command='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }
    done
    if [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_heapdump_commands) --help --version" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_heapdump_options "$command")" -- "$word")
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_heapdump_processes)" -- "$word"; compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
    fi
    return 0
}

complete -F _heapdump heapdump
