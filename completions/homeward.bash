# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# bash completion for homeward. Subcommands and options are asked of homeward itself, so they are never stale.

_homeward_words()
{
	homeward "$@" 2>/dev/null </dev/null
}

_homeward()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words='' i
	COMPREPLY=()

	if ((COMP_CWORD == 1)); then
		words="help --help --version $(_homeward_words --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
		return
	fi
	# After record's command has begun, complete that.
	if [[ $command == record ]]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			if [[ ${COMP_WORDS[i]} == -- ]]; then
				if declare -F _command_offset >/dev/null; then
					_command_offset $((i + 1))
				else
					mapfile -t COMPREPLY < <(compgen -c -- "$current")
				fi
				return
			fi
		done
	fi
	case $previous in
	--group)
		words='name process thread none'
		if [[ $command == daemon ]]; then words=$(compgen -g); fi
		;;
	--backend) words='auto bpf native dump ptrace' ;;
	--walk) words='auto deferred' ;;
	-e | --event) words='cycles cpu-clock task-clock page-faults minor-faults major-faults context-switches cpu-migrations instructions branches branch-misses cache-references cache-misses' ;;
	--color) words='auto always never' ;;
	--sort | -s) words='comm pid tid dso sym' ;;
	--to) words='firefox folded perf pprof speedscope' ;;
	--prefix) words='comm pid tid' ;;
	--weight) words='samples period' ;;
	-p | --pid) words=$(cd /proc && printf '%s ' [0-9]*) ;;
	--uid) words=$(compgen -u) ;;
	help) words=$(_homeward_words --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p') ;;
	esac
	if [[ -z $words && $current == -* ]]; then
		words=$(_homeward_words "$command" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z][a-z-]*' | grep -oE '\-\-?[A-Za-z][a-z-]*')
	fi
	if [[ -n $words ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	else
		compopt -o default
	fi
}

complete -F _homeward homeward
