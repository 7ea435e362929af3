package recordlog

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"plugtone/store/dbfile"
	"plugtone/store/seal"
)

// partBytes is how much of an entry or a snapshot is compressed and encrypted at a time. etcd takes values of at most 1.5 MiB.
const partBytes = 384 << 10

// head is the value of records/head.
type head struct {
	Cluster  string `json:"cluster"` // names the records; an import of other records makes another name
	Seq      uint64 `json:"seq"`     // of the newest entry
	ID       string `json:"id"`      // of the newest entry
	Schema   uint64 `json:"schema"`  // of the records, of the newest entry
	Snapshot string `json:"snapshot"`
	Bytes    int64  `json:"bytes"` // of the entries since the snapshot
}

func (h head) position() position { return position{h.Cluster, h.Seq, h.ID} }

// entry is one transaction.
type entry struct {
	seq    uint64
	ID     string `json:"id"`
	Prev   string `json:"prev"` // ID of the entry before
	Schema uint64 `json:"schema"`
	Member string `json:"member"` // that has made it
	Parts  int    `json:"parts"`  // under records/staged; 0: it is here
	data   []byte // the only part, when it is here
}

// value returns the value of the entry's key.
func (e entry) value() string {
	header, err := json.Marshal(e)
	if err != nil {
		panic(err) // every value of the type has a JSON form
	}
	return string(append(append(binary.AppendUvarint(nil, uint64(len(header))), header...), e.data...))
}

// entryOf reads the value of an entry's key.
func entryOf(seq uint64, value []byte) (e entry, err error) {
	n, size := binary.Uvarint(value)
	if size <= 0 || n > uint64(len(value)-size) {
		return e, fmt.Errorf("entry %d of the log can't be read", seq)
	}
	header := value[size : size+int(n)]
	if err := json.Unmarshal(header, &e); err != nil {
		return e, fmt.Errorf("entry %d of the log: %w", seq, err)
	}
	e.seq, e.data = seq, value[size+int(n):]
	return e, nil
}

// place names what a part is bound to: elsewhere it does not open.
func (e entry) place(part int) string {
	return fmt.Sprintf("entry %s after %s, %d", e.ID, e.Prev, part)
}

// partWriter writes a stream as parts: compressed, and encrypted for the place of each.
type partWriter struct {
	keys  *seal.Ring
	place func(part int) string
	put   func(part int, sealed []byte) error
	plain bytes.Buffer
	parts int
}

func (w *partWriter) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		n := min(len(b), partBytes-w.plain.Len())
		w.plain.Write(b[:n])
		b = b[n:]
		if w.plain.Len() == partBytes {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// Close writes the last part.
func (w *partWriter) Close() error {
	if w.plain.Len() == 0 {
		return nil
	}
	return w.flush()
}

func (w *partWriter) flush() error {
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := z.Write(w.plain.Bytes()); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.plain.Reset()
	w.parts++
	return w.put(w.parts-1, w.keys.Seal(packed.Bytes(), []byte(w.place(w.parts-1))))
}

// open decrypts and unpacks parts.
func open(keys *seal.Ring, parts [][]byte, place func(part int) string) (io.Reader, error) {
	var streams []io.Reader
	for i, sealed := range parts {
		packed, err := keys.Open(sealed, []byte(place(i)))
		if err != nil {
			return nil, fmt.Errorf("%s in etcd: %w", place(i), err)
		}
		streams = append(streams, flate.NewReader(bytes.NewReader(packed)))
	}
	return io.MultiReader(streams...), nil
}

// A stream is one byte and the lengths and bytes of table, key and payload for each change, and a byte for its end.
const (
	streamEnd = iota
	streamPut
	streamDelete
)

func writeChange(w io.Writer, m dbfile.Mutation) error {
	b := []byte{streamPut}
	if m.Deleted {
		b[0] = streamDelete
	}
	for _, field := range [][]byte{[]byte(m.Table), m.Key, m.Payload} {
		b = append(binary.AppendUvarint(b, uint64(len(field))), field...)
	}
	_, err := w.Write(b)
	return err
}

func writeEnd(w io.Writer) error { _, err := w.Write([]byte{streamEnd}); return err }

// maxField bounds a record in a stream.
const maxField = 64 << 20

// readChanges calls f with each change of a stream.
func readChanges(stream io.Reader, f func(dbfile.Mutation) error) error {
	r := bufio.NewReader(stream)
	for {
		kind, err := r.ReadByte()
		switch {
		case err != nil:
			return incomplete(err)
		case kind == streamEnd:
			return nil
		case kind != streamPut && kind != streamDelete:
			return fmt.Errorf("a change of the kind %d", kind)
		}
		m := dbfile.Mutation{Deleted: kind == streamDelete}
		var table []byte
		for _, field := range []*[]byte{&table, &m.Key, &m.Payload} {
			n, err := binary.ReadUvarint(r)
			if err != nil || n > maxField {
				return incomplete(err)
			}
			*field = make([]byte, n)
			if _, err := io.ReadFull(r, *field); err != nil {
				return incomplete(err)
			}
		}
		m.Table = string(table)
		if err := f(m); err != nil {
			return err
		}
	}
}

func incomplete(err error) error {
	return fmt.Errorf("a part is missing, or is not what was written: %w", err)
}
