package lease

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// MaxTTL is the longest time that an entry may ask for. It limits how long any entry,
// even a broken one, can hold the lease without a renewal.
const MaxTTL = 10 * time.Minute

// format is the version of the entries that this program writes.
const format = 1

type kind string

const (
	claim   kind = "claim"
	renew   kind = "renew"
	release kind = "release"
)

// entry is the value of one version of the parameter. It holds no secret.
type entry struct {
	Format     int       `json:"v"`
	Kind       kind      `json:"kind"`
	Nonce      string    `json:"nonce"` // of the lease that the entry is about; a claim has a new one
	Holder     string    `json:"holder"`
	PID        int       `json:"pid"`
	Machine    string    `json:"machine,omitempty"`
	Command    string    `json:"command"`
	Time       time.Time `json:"time"` // by the writer's clock; only for people
	TTLSeconds int       `json:"ttl_seconds"`
	Seen       *seen     `json:"seen,omitempty"`
}

// seen is the state that the writer of an entry had read. AWS keeps only the last 100
// versions, so seen tells the state before the oldest of them.
type seen struct {
	Version int64 `json:"version"`
	State   state `json:"state"` // after that version
}

var errNewer = errors.New("written by a newer flowbed")

// encode writes the entry on several lines. AWS refuses a value with two braces in a
// row, because it takes them for a reference to another parameter.
func (e entry) encode() (string, error) {
	b, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode the lease: %w", err)
	}
	return string(b), nil
}

// parse reads an entry, which anybody may have written. An invalid entry is an error,
// and fold ignores it.
func parse(value string) (entry, error) {
	var e entry
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return entry{}, fmt.Errorf("decode the lease: %w", err)
	}
	if e.Format > format {
		return entry{}, errNewer
	}
	ttl := time.Duration(e.TTLSeconds) * time.Second
	switch {
	case e.Format != format:
		return entry{}, fmt.Errorf("the entry has the unknown format %d", e.Format)
	case e.Kind != claim && e.Kind != renew && e.Kind != release:
		return entry{}, fmt.Errorf("the entry has the unknown kind %q", e.Kind)
	case e.Nonce == "" || e.Nonce != sanitize(e.Nonce):
		return entry{}, errors.New("the entry has no nonce")
	case e.Kind != release && (e.TTLSeconds < 1 || e.TTLSeconds > int(MaxTTL/time.Second)):
		return entry{}, fmt.Errorf("the entry has the invalid TTL %v", ttl)
	}
	e.Holder, e.Command, e.Machine = sanitize(e.Holder), sanitize(e.Command), sanitize(e.Machine)
	return e, nil
}

// sanitize makes a name safe for an entry and for a terminal.
func sanitize(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("@.-_+:/ ", r) {
			return r
		}
		return '_'
	}, strings.ToValidUTF8(s, "_"))
	if r := []rune(s); len(r) > 100 {
		return string(r[:100])
	}
	return s
}

func newNonce() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
