package dbfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// A value in a file is one version byte, the checksum in four bytes, and the payload. That of a sealed record is encrypted.
const (
	recordVersion = 2
	sealedVersion = 3
	headerLen     = 5
)

// ErrDamaged is wrapped by errors about the content of a file, unlike errors of reading it.
var ErrDamaged = errors.New("damaged")

// Damagedf returns an error that wraps ErrDamaged.
func Damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers the table and the key too: a value that turns up under another key is damaged.
func checksum(version byte, table string, key, payload []byte) uint32 {
	var head [headerLen]byte
	head[0] = version
	binary.BigEndian.PutUint32(head[1:], uint32(len(key)))
	sum := addString(addString(uint32(len(table)), table), string(head[:]))
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, payload)
}

// addString is crc32.Update for a few bytes, which need no memory of their own.
func addString(sum uint32, s string) uint32 {
	sum = ^sum
	for i := range len(s) {
		sum = castagnoli[byte(sum)^s[i]] ^ sum>>8
	}
	return ^sum
}

// AppendRecord appends the value for payload under key in table to b.
func AppendRecord(b []byte, table string, key, payload []byte) []byte {
	return appendRecord(b, recordVersion, table, key, payload)
}

func appendRecord(b []byte, version byte, table string, key, payload []byte) []byte {
	b = append(slices.Grow(b, headerLen+len(payload)), version)
	b = binary.BigEndian.AppendUint32(b, checksum(version, table, key, payload))
	return append(b, payload...)
}

// Payload returns the part of value that the caller stored under key in table, still encrypted when the record is sealed. It is part of
// value, not a copy.
func Payload(table string, key, value []byte) ([]byte, error) {
	switch {
	case len(value) < headerLen || value[0] != recordVersion && value[0] != sealedVersion:
		return nil, Damagedf("%d bytes without a checksum", len(value))
	case binary.BigEndian.Uint32(value[1:]) != checksum(value[0], table, key, value[headerLen:]):
		return nil, Damagedf("its checksum does not match")
	}
	return value[headerLen:], nil
}
