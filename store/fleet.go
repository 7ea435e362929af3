package store

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// view reads one state of plugtone.db. It implements fleet.View.
type view struct{ tx *bolt.Tx }

// View implements fleet.Records: f sees one state and holds up no writer. What it is given ends with it.
func (s *Store) View(f func(fleet.View) error) error {
	return s.fleetDB.view(func(tx *bolt.Tx) error { return f(view{tx}) })
}

// Revision is that of the last committed Edit.
func (s *Store) Revision() uint64 { return s.revision.Load() }

// notFound says which record isn't there.
func notFound(kind, name string) error {
	return fmt.Errorf("%s %.80s: %w", kind, name, fleet.ErrNotFound)
}

// broken says which record can't be read: a fault of ours.
func broken(kind, name string, err error) error {
	return fmt.Errorf("%s %s in %s: %w: %w", kind, name, fleetFile, err, fleet.ErrInternal)
}

func accountKey(number, registrar string) []byte { return []byte(number + "\x00" + registrar) }

// accountName is how people write the key of an extension.
func accountName(key []byte) string {
	number, registrar, _ := bytes.Cut(key, []byte{0})
	return string(number) + "@" + string(registrar)
}

func addrKey(a netip.Addr) []byte { return a.Unmap().AsSlice() }

func (f view) Revision() uint64 { return metaNumber(f.tx, keyRevision) }

func (f view) Device(mac dhcp.MAC) (*fleet.Device, error) {
	return get(f.tx, deviceKind, mac[:])
}

func (f view) DeviceByAny(mac dhcp.MAC) (*fleet.Device, error) {
	key := mac[:]
	if owner := f.tx.Bucket(bucketByMAC).Get(key); owner != nil && f.tx.Bucket(bucketDevices).Get(key) == nil {
		key = owner
	}
	d, err := get(f.tx, deviceKind, key)
	return d, err
}

func (f view) DeviceByIP(ip netip.Addr) (dhcp.MAC, error) {
	v := f.tx.Bucket(bucketByIP).Get(addrKey(ip))
	if len(v) != 6 {
		return dhcp.MAC{}, notFound("device with reserved_ip", ip.String())
	}
	return dhcp.MAC(v), nil
}

func (f view) Extension(number, registrar string) (*fleet.Extension, error) {
	return get(f.tx, extensionKind, accountKey(number, registrar))
}

func (f view) ExtensionsNumbered(number string) ([]*fleet.Extension, error) {
	var found []*fleet.Extension
	for e, err := range each(f.tx, extensionKind, nil, accountKey(number, "")) {
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}

func (f view) Registrar(name string) (*fleet.Registrar, error) {
	return get(f.tx, registrarKind, []byte(name))
}

func (f view) Profile(name string) (*fleet.Profile, error) {
	return get(f.tx, profileKind, []byte(name))
}

func (f view) Devices(after dhcp.MAC) iter.Seq2[*fleet.Device, error] {
	var key []byte
	if !after.IsZero() {
		key = after[:]
	}
	return each(f.tx, deviceKind, key, nil)
}

func (f view) Extensions() iter.Seq2[*fleet.Extension, error] {
	return each(f.tx, extensionKind, nil, nil)
}

func (f view) Registrars() iter.Seq2[*fleet.Registrar, error] {
	return each(f.tx, registrarKind, nil, nil)
}

func (f view) Profiles() iter.Seq2[*fleet.Profile, error] {
	return each(f.tx, profileKind, nil, nil)
}

func (f view) DevicesWith(number, registrar string) ([]dhcp.MAC, error) {
	return macsUnder(f.tx.Bucket(bucketByExt), append(accountKey(number, registrar), 0)), nil
}

// DevicesWithProfile implements fleet.View.
func (f view) DevicesWithProfile(name string) ([]dhcp.MAC, error) {
	return macsUnder(f.tx.Bucket(bucketByProfile), []byte(name+"\x00")), nil
}

// macsUnder returns the MACs that end the keys with this prefix, which itself ends in NUL.
func macsUnder(b *bolt.Bucket, prefix []byte) []dhcp.MAC {
	var macs []dhcp.MAC
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		// A MAC may begin with NUL, so the length decides, not another separator.
		if rest := k[len(prefix):]; len(rest) == 6 {
			macs = append(macs, dhcp.MAC(rest))
		}
	}
	return macs
}

// kind is one kind of record: where it is kept and how it is read, written and named.
type kind[T any] struct {
	word     string
	bucket   []byte
	name     func(key []byte) string
	decode   func([]byte) (*T, error)
	encode   func(*T) ([]byte, error)
	metadata func(*T) metadata
}

func macName(key []byte) string { return dhcp.MAC(key).String() }

func plainName(key []byte) string { return string(key) }

// get reads one record.
func get[T any](tx *bolt.Tx, k kind[T], key []byte) (*T, error) {
	b := tx.Bucket(k.bucket).Get(key)
	if b == nil {
		return nil, notFound(k.word, k.name(key))
	}
	v, err := k.decode(b)
	if err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	return v, nil
}

// each reads the records after a key that begin with a prefix, in order. Each step seeks anew, so that an Edit may
// change records while it walks them: a cursor would lose its place.
func each[T any](tx *bolt.Tx, k kind[T], after, prefix []byte) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		c := tx.Bucket(k.bucket).Cursor()
		next := prefix
		if after != nil {
			next = append(bytes.Clone(after), 0)
		}
		key, b := c.Seek(next)
		for key != nil && bytes.HasPrefix(key, prefix) {
			at := bytes.Clone(key)
			v, err := k.decode(b)
			if err != nil {
				v, err = nil, broken(k.word, k.name(at), err)
			}
			if !yield(v, err) {
				return
			}
			if tx.Writable() {
				c = tx.Bucket(k.bucket).Cursor()
				key, b = c.Seek(append(at, 0))
			} else {
				key, b = c.Next()
			}
		}
	}
}
