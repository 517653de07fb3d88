# SPDX-License-Identifier: Apache-2.0
# Completion of e2a for bash. The command itself knows what may stand where.

_e2a() {
	local line=${COMP_LINE:0:COMP_POINT} current part i
	local -a words
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	current=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
	if [[ ${COMPREPLY[0]} == :file ]]; then
		COMPREPLY=()
		compopt -o default
		return
	fi
	# bash replaces only what stands behind the last = or :, or begins with the last @
	part=${current##*[@=:]}
	part=${current%"$part"}
	part=${part%@}
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$part"}
	done
}
complete -F _e2a e2a
