package records

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// view reads one state of plugtone.db. It implements fleet.View.
type view struct {
	tx    dbfile.Tx
	later indexWrites // of an edit
}

// View implements fleet.Records: f sees one state and holds up no writer. What it is given ends with it.
func (db *DB) View(f func(fleet.View) error) error {
	return db.file.View(func(tx dbfile.Tx) error { return f(view{tx: tx}) })
}

// Revision is that of the last committed Edit.
func (db *DB) Revision() uint64 { return db.revision.Load() }

// missing is the error that names which record isn't there. It is text only when it is shown: most are of DHCP clients without a record.
type missing struct{ kind, name string }

func notFound(kind, name string) error { return missing{kind, name} }

func (m missing) Error() string {
	return fmt.Sprintf("%s %.80s: %v", m.kind, m.name, fleet.ErrNotFound)
}

func (missing) Unwrap() error { return fleet.ErrNotFound }

// broken names a record that can't be read: an internal error.
func broken(kind, name string, err error) error {
	if errors.Is(err, fleet.ErrInternal) {
		return fmt.Errorf("%s %s in %s: %w", kind, name, FileName, err)
	}
	return fmt.Errorf("%s %s in %s: %w: %w", kind, name, FileName, err, fleet.ErrInternal)
}

func accountKey(number, registrar string) []byte { return []byte(number + "\x00" + registrar) }

// accountName is how people write the key of an extension.
func accountName(key []byte) string {
	number, registrar, _ := bytes.Cut(key, []byte{0})
	return string(number) + "@" + string(registrar)
}

func addrKey(a netip.Addr) []byte { return a.Unmap().AsSlice() }

func (f view) Revision() uint64 { return f.tx.Number(keyRevision) }

func (f view) Device(mac dhcp.MAC) (*fleet.Device, error) {
	return get(f.tx, deviceKind, mac[:])
}

func (f view) DeviceByAny(mac dhcp.MAC) (*fleet.Device, error) {
	key := mac[:]
	if !f.tx.Table(tableDevices).Has(key) {
		owner, err := f.later.get(f.tx.Table(tableByMAC), tableByMAC, key)
		if err != nil {
			return nil, broken("owner of", mac.String(), err)
		}
		if owner != nil {
			key = owner
		}
	}
	return get(f.tx, deviceKind, key)
}

func (f view) DeviceByIP(ip netip.Addr) (dhcp.MAC, error) {
	v, err := f.later.get(f.tx.Table(tableByIP), tableByIP, addrKey(ip))
	return ownerOfIP(ip, v, err)
}

// ownerOfIP reads an entry of tableByIP.
func ownerOfIP(ip netip.Addr, v []byte, err error) (dhcp.MAC, error) {
	if err != nil {
		return dhcp.MAC{}, broken("device with reserved_ip", ip.String(), err)
	}
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
	if err := f.later.write(f.tx, tableByExt); err != nil {
		return nil, broken("devices with", fleet.Line{Extension: number, Registrar: registrar}.String(), err)
	}
	return macsUnder(f.tx.Table(tableByExt), append(accountKey(number, registrar), 0)), nil
}

// DevicesWithProfile returns the devices that name a profile, in MAC order.
func (f view) DevicesWithProfile(name string) ([]dhcp.MAC, error) {
	if err := f.later.write(f.tx, tableByProfile); err != nil {
		return nil, broken("devices with profile", name, err)
	}
	return macsUnder(f.tx.Table(tableByProfile), []byte(name+"\x00")), nil
}

// macsUnder returns the MACs that end the keys with this prefix, which itself ends in NUL.
func macsUnder(b dbfile.Table, prefix []byte) []dhcp.MAC {
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

// kind is one kind of record: its table, and how it is read, written and named.
type kind[T any] struct {
	word     string
	table    string
	name     func(key []byte) string
	decode   func([]byte) (*T, error)
	encode   func(*T) ([]byte, error)
	metadata func(*T) metadata
}

func macName(key []byte) string { return dhcp.MAC(key).String() }

func plainName(key []byte) string { return string(key) }

// get reads one record.
func get[T any](tx dbfile.Tx, k kind[T], key []byte) (*T, error) {
	b, err := tx.Table(k.table).Get(key)
	if err == nil && b == nil {
		return nil, notFound(k.word, k.name(key))
	}
	if tx.Writable() && errors.Is(err, dbfile.ErrDamaged) {
		return nil, fmt.Errorf("%s %s is damaged, and can only be replaced as a whole: %w", k.word, k.name(key), fleet.ErrNotFound)
	}
	if err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	v, err := k.decode(b)
	if err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	return v, nil
}

// each reads the records after a key that begin with a prefix, in order. Damaged ones are left out; one whose key is missing is an error. Each step seeks again,
// so that an Edit may change records while it walks them: a cursor would lose its place.
func each[T any](tx dbfile.Tx, k kind[T], after, prefix []byte) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		table := tx.Table(k.table)
		c := table.Cursor()
		next := prefix
		if after != nil {
			next = append(bytes.Clone(after), 0)
		}
		key, value := c.Seek(next)
		for key != nil && bytes.HasPrefix(key, prefix) {
			at := bytes.Clone(key)
			b, err := table.Payload(key, value)
			if !errors.Is(err, dbfile.ErrDamaged) {
				var v *T
				if err == nil {
					v, err = k.decode(b)
				}
				if err != nil {
					v, err = nil, broken(k.word, k.name(at), err)
				}
				if !yield(v, err) {
					return
				}
			}
			if tx.Writable() {
				c = table.Cursor()
				key, value = c.Seek(append(at, 0))
			} else {
				key, value = c.Next()
			}
		}
	}
}

// Recorded returns which of these MACs belong to a device, as its own or another of its MACs.
func (db *DB) Recorded(macs []dhcp.MAC) (map[dhcp.MAC]bool, error) {
	recorded := make(map[dhcp.MAC]bool, len(macs))
	if len(macs) == 0 {
		return recorded, nil
	}
	err := db.file.View(func(tx dbfile.Tx) error {
		devices, others := tx.Table(tableDevices), tx.Table(tableByMAC)
		for _, mac := range macs {
			recorded[mac] = devices.Has(mac[:]) || others.Has(mac[:])
		}
		return nil
	})
	return recorded, err
}
