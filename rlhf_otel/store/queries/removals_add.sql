UPDATE erasure SET removals = removals + 1
