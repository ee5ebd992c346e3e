// Package lease lets one run at a time work on an environment, without a server
// and without a table: up and down exclude each other, a dead holder's lease
// runs out, and whoever waits is told for whom.
//
// The lease is the history of one String parameter of Systems Manager,
// /flowbed/<environment>/lease. A write gives the parameter a new version, and
// versions are numbered without a gap, so the history is a log that everybody
// sees in the same order. Whoever wants something appends an entry, then reads
// the log and folds it: the same function gives everybody the same holder, and
// no conditional write is needed. A claim counts if nobody holds the lease at
// that place in the log; renewals and releases count only with the holder's
// nonce; all else is as if it were not there.
//
// Moments come from AWS's clock, which stamps each version: what the clocks of
// the machines say is shown to people and decides nothing. A holder measures the
// age of its lease from before the call that wrote it, so it gives up earlier
// than anybody can take over. What it cannot do is call back a request that is
// on its way to AWS at that moment; the engine is made so that such a request
// does no harm.
//
// Docs: docs/decisions/0007-lease.md.
package lease
