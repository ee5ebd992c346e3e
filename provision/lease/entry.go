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

// MaxTTL bounds what an entry may ask for, so that no entry, however it came
// about, holds the lease for longer than this without being renewed.
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
	Nonce      string    `json:"nonce"` // of the lease it is about; a claim brings a new one
	Holder     string    `json:"holder"`
	PID        int       `json:"pid"`
	Machine    string    `json:"machine,omitempty"`
	Command    string    `json:"command"`
	Time       time.Time `json:"time"` // by the writer's clock: for people
	TTLSeconds int       `json:"ttl_seconds"`
	Seen       *seen     `json:"seen,omitempty"`
}

// seen is what the writer knew. AWS keeps the last 100 versions only; the state
// in which the kept ones begin is in the first of them that saw it.
type seen struct {
	Version int64 `json:"version"`
	State   state `json:"state"` // after that version
}

var errNewer = errors.New("written by a newer flowbed")

// encode spreads the entry over lines: a value with two braces in a row would
// be taken for a reference to another parameter, and refused.
func (e entry) encode() (string, error) {
	b, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode the lease: %w", err)
	}
	return string(b), nil
}

// parse reads an entry that anybody may have written. Those that make no sense
// are errors, which the fold passes over.
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
		return entry{}, fmt.Errorf("the entry is of the format %d", e.Format)
	case e.Kind != claim && e.Kind != renew && e.Kind != release:
		return entry{}, fmt.Errorf("the entry is of the unknown kind %q", e.Kind)
	case e.Nonce == "" || e.Nonce != plain(e.Nonce):
		return entry{}, errors.New("the entry has no nonce")
	case e.Kind != release && (e.TTLSeconds < 1 || e.TTLSeconds > int(MaxTTL/time.Second)):
		return entry{}, fmt.Errorf("the entry asks for %v", ttl)
	}
	e.Holder, e.Command, e.Machine = plain(e.Holder), plain(e.Command), plain(e.Machine)
	return e, nil
}

// plain is a name as it may stand in an entry and on a terminal.
func plain(s string) string {
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
