# Bash completion for pixelfleet. What may follow is asked of the program itself
# (`pixelfleet completion`), names of queues, tools, pipelines and jobs of the dispatcher: a
# fraction of a second at most, and nothing when it is not there.

# The values of member $2 in the JSON answer of `pixelfleet $3...`; $1 is the program.
_pixelfleet_names()
{
	local program=$1 member=$2
	shift 2
	timeout 1 "$program" --json "$@" 2>/dev/null | grep -o "\"$member\":\"[^\"]*\"" | cut -d '"' -f 4 | sort -u
}

# Words of a kind that `pixelfleet completion` names with an @.
_pixelfleet_kind()
{
	local program=$1
	case $2 in
	@job) _pixelfleet_names "$program" id jobs ;;
	@queue) _pixelfleet_names "$program" queue dlq list; _pixelfleet_names "$program" queue queues ;;
	@tool) _pixelfleet_names "$program" name tools ;;
	@pipeline) _pixelfleet_names "$program" name pipelines list ;;
	@model) _pixelfleet_names "$program" model models list ;;
	@command) "$program" completion '' 2>/dev/null ;;
	esac
}

_pixelfleet()
{
	local cur words cword program word list='' files=
	# Labels and URLs have = and : inside.
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n =: cur words cword
	else
		cur=$2 words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi
	program=${words[0]/#\~/$HOME}
	COMPREPLY=()

	while IFS= read -r word; do
		case $word in
		@file) files=yes ;;
		@pipeline | @model) files=yes list+=$(_pixelfleet_kind "$program" "$word")$'\n' ;;
		@*) list+=$(_pixelfleet_kind "$program" "$word")$'\n' ;;
		*) list+=$word$'\n' ;;
		esac
	done < <("$program" completion "${words[@]:1:cword}" 2>/dev/null)

	while IFS= read -r word; do
		[[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("$word")
	done <<<"$list"
	if [[ $files ]]; then
		compopt -o filenames 2>/dev/null
		while IFS= read -r word; do
			COMPREPLY+=("$word")
		done < <(compgen -f -- "$cur")
	fi
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _pixelfleet pixelfleet
