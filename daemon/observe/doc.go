// Package observe turns every decision about a phone into one timeline entry, one log line and one step of the metrics.
//
// It decides nothing. Log lines and memory are bounded, for any traffic: repeats are logged once a minute, and so is a
// limited number of lines of each kind.
package observe
