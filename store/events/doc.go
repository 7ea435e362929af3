// Package events keeps what happened to phones in events.db: their timelines, the last fetch of each file, and the list of
// discovered phones. It accepts entries at the speed of the network and writes them at the speed of the disk. Memory and
// file are bounded: what exceeds a bound is dropped, the oldest of phones without a record first.
//
// It draws no conclusions: that is the subject of package timeline.
package events
