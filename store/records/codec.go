package records

import (
	"fmt"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/store/dbfile"
)

// The records as they are stored. They embed the type that everybody uses, so that a member added to it is stored too, and
// replace those whose JSON is made for people: settings lose their types there, secrets may hide themselves.

type deviceRecord struct {
	fleet.Device
	Settings storedSettings `json:"settings,omitempty"`
}

type profileRecord struct {
	fleet.Profile
	Settings storedSettings `json:"settings,omitempty"`
}

type registrarRecord struct {
	fleet.Registrar
	Settings storedSettings `json:"settings,omitempty"`
}

type extensionRecord struct {
	fleet.Extension
	Password string `json:"password,omitempty"`
}

type tokenRecord struct {
	fleet.Token
	Hash string `json:"hash"`
}

// historyRecord is a device as it was after one edit, as versions before changes were stored wrote it.
type historyRecord struct {
	Revision uint64        `json:"revision"`
	Time     time.Time     `json:"time"`
	Actor    string        `json:"actor"`
	Action   string        `json:"action"`
	Deleted  bool          `json:"deleted,omitempty"` // this edit removed it; Device is what was removed
	Device   *deviceRecord `json:"device"`
}

// storedSetting is a setting with its type: exactly one member is set.
type storedSetting struct {
	Text     *string   `json:"s,omitempty"`
	Secret   *string   `json:"x,omitempty"`
	Bool     *bool     `json:"b,omitempty"`
	Int      *int      `json:"i,omitempty"`
	Duration *int64    `json:"d,omitempty"` // setting.Duration, nanoseconds
	Time     *int64    `json:"t,omitempty"` // time.Duration, nanoseconds
	List     *[]string `json:"l,omitempty"`
}

type storedSettings map[string]storedSetting

func storeSettings(v setting.Values) (storedSettings, error) {
	if len(v) == 0 {
		return nil, nil
	}
	stored := make(storedSettings, len(v))
	for name, val := range v {
		var k storedSetting
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
			return nil, fmt.Errorf("settings.%s: a %T can't be stored; text, bool, int, duration and list of texts can", name, val)
		}
		stored[name] = k
	}
	return stored, nil
}

func (stored storedSettings) values() setting.Values {
	if len(stored) == 0 {
		return nil
	}
	v := make(setting.Values, len(stored))
	for name, k := range stored {
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
	stored, err := storeSettings(d.Settings)
	if err != nil {
		return nil, err
	}
	return dbfile.EncodeExact(&deviceRecord{Device: *d, Settings: stored})
}

func decodeDevice(b []byte) (*fleet.Device, error) {
	var r deviceRecord
	if err := dbfile.Decode(b, &r); err != nil {
		return nil, err
	}
	return r.device(), nil
}

func (r *deviceRecord) device() *fleet.Device {
	r.Device.Settings = r.Settings.values()
	return &r.Device
}

func encodeProfile(p *fleet.Profile) ([]byte, error) {
	stored, err := storeSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	return dbfile.EncodeExact(&profileRecord{Profile: *p, Settings: stored})
}

func decodeProfile(b []byte) (*fleet.Profile, error) {
	var r profileRecord
	if err := dbfile.Decode(b, &r); err != nil {
		return nil, err
	}
	r.Profile.Settings = r.Settings.values()
	return &r.Profile, nil
}

func encodeRegistrar(p *fleet.Registrar) ([]byte, error) {
	stored, err := storeSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	return dbfile.EncodeExact(&registrarRecord{Registrar: *p, Settings: stored})
}

func decodeRegistrar(b []byte) (*fleet.Registrar, error) {
	var r registrarRecord
	if err := dbfile.Decode(b, &r); err != nil {
		return nil, err
	}
	r.Registrar.Settings = r.Settings.values()
	return &r.Registrar, nil
}

func encodeExtension(e *fleet.Extension) ([]byte, error) {
	return dbfile.EncodeExact(&extensionRecord{Extension: *e, Password: string(e.Password)})
}

func decodeExtension(b []byte) (*fleet.Extension, error) {
	var r extensionRecord
	if err := dbfile.Decode(b, &r); err != nil {
		return nil, err
	}
	r.Extension.Password = setting.Secret(r.Password)
	return &r.Extension, nil
}
