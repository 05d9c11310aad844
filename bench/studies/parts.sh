# What the studies beside this file share: sourced, not run. Each has parts with names, in `all`.

# parts_of SCRIPT [PART...]: sets `parts` to those that are asked for, or to all. The comment that SCRIPT
# begins with is its help.
parts_of() {
  local script=$1 part
  shift
  parts=("$@")
  [ $# -gt 0 ] || parts=("${all[@]}")
  for part in "${parts[@]}"; do
    case " ${all[*]} " in
      *" $part "*) ;;
      *)
        [ "$part" = --help ] && sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" && exit 0
        echo "there is no part $part: ${all[*]}" >&2
        exit 2
        ;;
    esac
  done
}
