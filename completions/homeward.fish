# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# fish completion for homeward. Subcommands and options are asked of homeward itself, so they are never stale.

function __homeward_commands
    homeward --help 2>/dev/null | string match -r '^  [a-z]+  +.*' | string replace -r '^  ([a-z]+) +' '$1\t'
end

function __homeward_options
    set -l words (commandline -opc)
    homeward $words[2] --help 2>/dev/null | string match -r '^ +(?:-[A-Za-z], )?--[a-z][a-z-]*.*' |
        string replace -r '^ +(?:-[A-Za-z], )?(--[a-z][a-z-]*)\S*(?: [A-Z]\S*)? +' '$1\t'
end

function __homeward_after
    contains -- (commandline -opc)[-1] $argv
end

function __homeward_no_command_yet
    test (count (commandline -opc)) -eq 1
end

complete -c homeward -n __homeward_no_command_yet -f -a '(__homeward_commands)'
complete -c homeward -n 'not __homeward_no_command_yet; and string match -q -- "-*" (commandline -ct)' -a '(__homeward_options)'
complete -c homeward -n '__homeward_after --backend' -f -a 'auto bpf native dump ptrace'
complete -c homeward -n '__homeward_after --walk' -f -a 'auto deferred'
complete -c homeward -n '__homeward_after --color' -f -a 'auto always never'
complete -c homeward -n '__homeward_after --group; and not contains daemon (commandline -opc)' -f -a 'name process thread none'
complete -c homeward -n '__homeward_after --group; and contains daemon (commandline -opc)' -f -a '(__fish_complete_groups)'
complete -c homeward -n '__homeward_after -e --event' -f -a 'cycles cpu-clock task-clock page-faults minor-faults major-faults context-switches cpu-migrations instructions branches branch-misses cache-references cache-misses'
complete -c homeward -n '__homeward_after --sort -s' -f -a 'comm pid tid dso sym'
complete -c homeward -n '__homeward_after --to' -f -a 'firefox folded perf pprof speedscope'
complete -c homeward -n '__homeward_after --prefix' -f -a 'comm pid tid'
complete -c homeward -n '__homeward_after --weight' -f -a 'samples period'
complete -c homeward -n '__homeward_after -p --pid' -f -a '(__fish_complete_pids)'
complete -c homeward -n '__homeward_after --uid' -f -a '(__fish_complete_users)'
