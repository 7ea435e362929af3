package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// recordVersion is the first byte of every record, before its JSON. A change that an older plugtone would misread gets a
// new one, and a migration of the file.
const recordVersion = 1

var errNewerRecord = errors.New("written by a newer plugtone")

// encode prints a record and makes sure that it reads back as it is: a text that JSON can't carry or an address that
// parses as none is refused now, not when a phone asks.
func encode[T any](v *T) ([]byte, error) {
	b, err := encodeOnce(v)
	if err != nil {
		return nil, err
	}
	back := new(T)
	if err := decode(b, back); err != nil {
		return nil, fmt.Errorf("would not read back: %w", err)
	}
	again, err := encodeOnce(back)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, again) {
		return nil, errors.New("would not read back as it is: a text in it is not valid UTF-8")
	}
	return b, nil
}

func encodeOnce(v any) ([]byte, error) {
	buf := bytes.NewBuffer([]byte{recordVersion})
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// decode reads a record. Nothing of it points into b.
func decode(b []byte, v any) error {
	switch {
	case len(b) == 0:
		return damagedf("empty record")
	case b[0] > recordVersion:
		return fmt.Errorf("record version %d: %w", b[0], errNewerRecord)
	case b[0] != recordVersion:
		return damagedf("record version %d", b[0])
	}
	if err := json.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// The records as they are kept. They embed the type that everybody uses, so that a member added to it is kept too, and
// replace those whose JSON is made for people: settings lose their types there, secrets may hide themselves.

type deviceRecord struct {
	fleet.Device
	Settings keptSettings `json:"settings,omitempty"`
}

type profileRecord struct {
	fleet.Profile
	Settings keptSettings `json:"settings,omitempty"`
}

type registrarRecord struct {
	fleet.Registrar
	Settings keptSettings `json:"settings,omitempty"`
}

type extensionRecord struct {
	fleet.Extension
	Password string `json:"password,omitempty"`
}

type tokenRecord struct {
	fleet.Token
	Hash string `json:"hash"`
}

type historyRecord struct {
	fleet.DeviceRevision
	Device *deviceRecord `json:"device"`
}

// keptSetting is a setting with its type: exactly one member is set.
type keptSetting struct {
	Text     *string   `json:"s,omitempty"`
	Secret   *string   `json:"x,omitempty"`
	Bool     *bool     `json:"b,omitempty"`
	Int      *int      `json:"i,omitempty"`
	Duration *int64    `json:"d,omitempty"` // setting.Duration, nanoseconds
	Time     *int64    `json:"t,omitempty"` // time.Duration, nanoseconds
	List     *[]string `json:"l,omitempty"`
}

type keptSettings map[string]keptSetting

func keepSettings(v setting.Values) (keptSettings, error) {
	if len(v) == 0 {
		return nil, nil
	}
	kept := make(keptSettings, len(v))
	for name, val := range v {
		var k keptSetting
		switch val := val.(type) {
		case string:
			k.Text = &val
		case setting.Secret:
			k.Secret = new(string(val))
		case bool:
			k.Bool = &val
		case int:
			k.Int = &val
		case setting.Duration:
			k.Duration = new(int64(val))
		case time.Duration:
			k.Time = new(int64(val))
		case []string:
			list := append([]string{}, val...)
			k.List = &list
		default:
			return nil, fmt.Errorf("settings.%s: a %T can't be kept; text, bool, int, duration and list of texts can", name, val)
		}
		kept[name] = k
	}
	return kept, nil
}

func (kept keptSettings) values() setting.Values {
	if len(kept) == 0 {
		return nil
	}
	v := make(setting.Values, len(kept))
	for name, k := range kept {
		switch {
		case k.Text != nil:
			v[name] = *k.Text
		case k.Secret != nil:
			v[name] = setting.Secret(*k.Secret)
		case k.Bool != nil:
			v[name] = *k.Bool
		case k.Int != nil:
			v[name] = *k.Int
		case k.Duration != nil:
			v[name] = setting.Duration(*k.Duration)
		case k.Time != nil:
			v[name] = time.Duration(*k.Time)
		case k.List != nil:
			v[name] = *k.List
		}
	}
	return v
}

func encodeDevice(d *fleet.Device) ([]byte, error) {
	kept, err := keepSettings(d.Settings)
	if err != nil {
		return nil, err
	}
	return encode(&deviceRecord{Device: *d, Settings: kept})
}

func decodeDevice(b []byte) (*fleet.Device, error) {
	var r deviceRecord
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	return r.device(), nil
}

func (r *deviceRecord) device() *fleet.Device {
	r.Device.Settings = r.Settings.values()
	return &r.Device
}

func encodeProfile(p *fleet.Profile) ([]byte, error) {
	kept, err := keepSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	return encode(&profileRecord{Profile: *p, Settings: kept})
}

func decodeProfile(b []byte) (*fleet.Profile, error) {
	var r profileRecord
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	r.Profile.Settings = r.Settings.values()
	return &r.Profile, nil
}

func encodeRegistrar(p *fleet.Registrar) ([]byte, error) {
	kept, err := keepSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	return encode(&registrarRecord{Registrar: *p, Settings: kept})
}

func decodeRegistrar(b []byte) (*fleet.Registrar, error) {
	var r registrarRecord
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	r.Registrar.Settings = r.Settings.values()
	return &r.Registrar, nil
}

func encodeExtension(e *fleet.Extension) ([]byte, error) {
	return encode(&extensionRecord{Extension: *e, Password: string(e.Password)})
}

func decodeExtension(b []byte) (*fleet.Extension, error) {
	var r extensionRecord
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	r.Extension.Password = setting.Secret(r.Password)
	return &r.Extension, nil
}
