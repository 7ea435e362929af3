package wal

import (
	"fmt"
	"os"
)

// Check reads a log that no daemon uses and changes nothing. It returns how many batches are in it, which may all be
// checkpointed, and what is damaged.
func Check(path string) (batches int, damage []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	first, last := make([]byte, pageSize), make([]byte, pageSize)
	if err := readPage(f, first, 0); err != nil {
		return 0, nil, err
	}
	if err := readPage(f, last, max(0, info.Size()-pageSize)); err != nil {
		return 0, nil, err
	}
	h, old, ok := parseHeader(first)
	switch {
	case ok && old:
		h.segment = (info.Size() - pageSize) / 2 &^ (pageSize - 1)
	case !ok:
		damage = append(damage, "its first page is damaged")
		if h, old, ok = parseHeader(last); !ok || old {
			return 0, damage, nil
		}
	}
	if size := h.fileSize(); info.Size() < size-pageSize {
		damage = append(damage, fmt.Sprintf("it was cut short, to %d of %d bytes", info.Size(), size))
	}
	l := &Log{read: f, header: h, align: sector}
	found, err := l.Recover(0)
	return len(found), append(damage, l.damage...), err
}
