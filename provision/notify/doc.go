// Package notify makes phones fetch their configuration again. A Job sends one SIP NOTIFY to each of its phones, at a pace, by the method
// of the phone's vendor pack, and then waits for the fetch. Its result has the outcome for each phone. The package also has the
// responder of SIP PnP.
//
// SIP itself (messages, transactions, retransmission by RFC 3261, digest) is package sipgo. Which phones are stale is the subject of
// package provision.
package notify
