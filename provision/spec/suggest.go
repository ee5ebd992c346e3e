package spec

import (
	"fmt"
	"strings"
)

// Limits for the time that the comparison of names takes.
const (
	longestWord    = 100
	mostCandidates = 500
)

// nearest is the candidate that a word is probably a misspelling of, or empty.
func nearest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3 // one typo in a short word, more in a long one
	if len(word) > longestWord {     // nobody has misspelled a name so much
		return ""
	}
	for _, c := range candidates[:min(len(candidates), mostCandidates)] {
		d := distance(strings.ToLower(word), c)
		if 2*d > len(c) { // most of a short name is another one
			continue
		}
		if d <= least && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

// Nearest is the candidate that a word is probably a misspelling of, or empty.
func Nearest(word string, candidates []string) string { return nearest(word, candidates) }

// didYouMean asks whether the nearest candidate was meant; empty if there is none.
func didYouMean(word string, candidates []string) string {
	if c := nearest(word, candidates); c != "" {
		return fmt.Sprintf("did you mean %q?", c)
	}
	return ""
}

// advice is the hint of a diagnostic: a suggestion, which may be empty, and what to
// do in any case.
func advice(suggestion, todo string) string {
	if suggestion == "" {
		return " → " + todo
	}
	return " → " + suggestion + " " + title(todo)
}

// meantOr is the hint for an unknown name: the nearest candidate, or else what to do.
func meantOr(name string, candidates []string, todo string) string {
	if s := didYouMean(name, candidates); s != "" {
		return " → " + s
	}
	return " → " + todo
}

// distance counts the bytes to insert, delete, replace or swap with their
// neighbours on the way from a to b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// list joins words as "a", "b" and "c".
func list(words []string, and string) string {
	q := quoted(words)
	if n := len(q); n > 1 {
		return strings.Join(q[:n-1], ", ") + " " + and + " " + q[n-1]
	}
	return strings.Join(q, "")
}

func quoted(words []string) []string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return q
}
