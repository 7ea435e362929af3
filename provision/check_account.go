package provision

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/provision/setting"
)

// errAmbiguous is wrapped by the error about a number that more than one registrar has.
var errAmbiguous = errors.New("more than one registrar has it")

// refError is an error about an extension: the number and, apart from it, what is wrong, so that a message that names
// the number already needn't repeat it.
type refError struct {
	ref, message string
	kind         error
}

func (e *refError) Error() string { return "extension " + e.ref + ": " + e.message }
func (e *refError) Unwrap() error { return e.kind }

func extensionMessage(err error) string {
	var e *refError
	if errors.As(err, &e) {
		return e.message
	}
	return err.Error()
}

// ParseExtension reads NUMBER or NUMBER@REGISTRAR; registrar is "" when it isn't said.
func ParseExtension(ref string) (number, registrar string) {
	if i := strings.LastIndexByte(ref, '@'); i >= 0 {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

// FindExtension finds NUMBER or NUMBER@REGISTRAR. A number that two registrars have is refused with both.
func FindExtension(fleet Fleet, ref string) (*Extension, error) {
	number, registrar := ParseExtension(ref)
	all, err := fleet.ExtensionsNumbered(number)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var on []string
	for _, e := range all {
		if registrar != "" && e.Registrar == registrar {
			return e, nil
		}
		on = append(on, e.Number+"@"+e.Registrar)
	}
	switch {
	case len(all) == 0:
		return nil, &refError{ref, "no such extension" + nearest(number, numbers(fleet)), ErrNotFound}
	case registrar != "":
		return nil, &refError{ref, "no such extension; there is " + strings.Join(on, ", "), ErrNotFound}
	case len(all) > 1:
		return nil, &refError{ref, "is on more than one registrar; say " + strings.Join(on, " or "), errAmbiguous}
	}
	return all[0], nil
}

// numbers lists the first thousand numbers there are, to find the nearest ones.
func numbers(fleet Fleet) []string {
	var out []string
	for e, err := range fleet.Extensions() {
		if err != nil || len(out) == 1000 {
			break
		}
		out = append(out, e.Number)
	}
	return out
}

// CheckExtension brings the extension into its canonical form and reports every fault as Invalid. A registrar may be
// left out while there is exactly one.
func CheckExtension(fleet Fleet, e *Extension) error {
	var f faults
	f.number("number", e.Number)
	if err := f.registrar(fleet, e); err != nil {
		return err
	}
	e.DisplayName = strings.Trim(e.DisplayName, " ")
	f.text("display_name", e.DisplayName, maxDisplay)
	if e.AuthUser == "" {
		e.AuthUser = e.Number
	}
	f.text("auth_user", e.AuthUser, maxName)
	f.text("voicemail", e.Voicemail, maxNumber)
	for _, bad := range textFault("password", string(e.Password), maxSecret) {
		bad.Value = ""
		f.list = append(f.list, bad)
	}
	return f.err()
}

func (f *faults) registrar(fleet Fleet, e *Extension) error {
	if e.Registrar != "" {
		_, err := fleet.Registrar(e.Registrar)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	var names []string
	for r, err := range fleet.Registrars() {
		if err != nil {
			return err
		}
		names = append(names, r.Name)
	}
	switch {
	case e.Registrar != "":
		f.add("registrar", e.Registrar, "no such registrar%s", nearest(e.Registrar, names))
	case len(names) == 0:
		f.add("registrar", "", "there is no registrar yet; it must be made first")
	case len(names) > 1:
		f.add("registrar", "", "is needed while there is more than one: %s", strings.Join(names, ", "))
	default:
		e.Registrar = names[0]
	}
	return nil
}

// Transports lists the transports of a registrar.
func Transports() []string { return []string{"udp", "tcp", "tls"} }

// DefaultPort is the port of a registrar that names none (RFC 3261, 18.2.1 and 19.1.2).
func DefaultPort(transport string) int {
	if transport == "tls" {
		return 5061
	}
	return 5060
}

// CheckRegistrar fills in the registrar's defaults and reports every fault as Invalid.
func CheckRegistrar(r *Registrar) error {
	var f faults
	f.name("name", r.Name)
	switch {
	case r.Host == "":
		f.add("host", "", "is needed")
	case len(r.Host) > maxHost || !setting.IsHost(r.Host):
		f.add("host", r.Host, "is neither an IPv4 address nor a host name; a port goes into port")
	}
	r.Transport = strings.ToLower(r.Transport)
	if r.Transport == "" {
		r.Transport = "udp"
	}
	if !slices.Contains(Transports(), r.Transport) {
		f.add("transport", r.Transport, "allowed is udp, tcp, tls")
	}
	if r.Port == 0 {
		r.Port = DefaultPort(r.Transport)
	}
	if r.Port < 1 || r.Port > 65535 {
		f.add("port", fmt.Sprint(r.Port), "allowed is 1 to 65535")
	}
	if _, _, ok := setting.SplitHostPort(r.OutboundProxy); r.OutboundProxy != "" && !ok {
		f.add("outbound_proxy", r.OutboundProxy, "is neither host nor host:port")
	}
	if _, _, ok := setting.SplitHostPort(r.BackupHost); r.BackupHost != "" && !ok {
		f.add("backup_host", r.BackupHost, "is neither host nor host:port")
	}
	if r.RegisterExpires == 0 {
		r.RegisterExpires = Duration(time.Hour)
	}
	if t := time.Duration(r.RegisterExpires); t < 30*time.Second || t > 7*24*time.Hour || t%time.Second != 0 {
		f.add("register_expires", r.RegisterExpires.String(), "allowed is 30s to 7d")
	}
	r.Settings = f.settings(r.Settings, nil, "")
	return f.err()
}

// InUse is the error for a record that others depend on.
type InUse struct {
	What  string   // extension 1001@main
	Users []string // device 00:15:65:12:34:56 ...
}

// shownUsers is how many users an error names.
const shownUsers = 10

func (e *InUse) Error() string {
	users := e.Users
	more := ""
	if len(users) > shownUsers {
		more = fmt.Sprintf(" and %d more", len(users)-shownUsers)
		users = users[:shownUsers]
	}
	return e.What + " is in use by " + strings.Join(users, ", ") + more
}

// Unwrap gives ErrInUse.
func (e *InUse) Unwrap() error { return ErrInUse }

// RemoveExtension deletes an extension. While devices have lines on it, it is refused with them unless force is set,
// which takes those lines away.
func RemoveExtension(e Edit, number, registrar string, force bool) error {
	if _, err := e.Extension(number, registrar); err != nil {
		return err
	}
	users, err := e.DevicesWith(number, registrar)
	if err != nil {
		return err
	}
	if len(users) > 0 && !force {
		return &InUse{"extension " + number + "@" + registrar, deviceNames(users)}
	}
	for _, mac := range users {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Lines = slices.DeleteFunc(d.Lines, func(l Line) bool { return l.Extension == number && l.Registrar == registrar })
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	return e.DeleteExtension(number, registrar)
}

// MoveExtension puts an extension onto another registrar, and the lines that are bound to it along with it.
func MoveExtension(e Edit, number, from, to string) error {
	x, err := e.Extension(number, from)
	if err != nil || from == to {
		return err
	}
	if to != "" {
		if _, err := e.Registrar(to); err != nil {
			return err
		}
	}
	if _, err := e.Extension(number, to); err == nil {
		return Invalid{{"registrar", to, "has extension " + number + " already"}}
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	users, err := e.DevicesWith(number, from)
	if err != nil {
		return err
	}
	x.Registrar = to
	if err := e.PutExtension(x); err != nil {
		return err
	}
	for _, mac := range users {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		for i := range d.Lines {
			if l := &d.Lines[i]; l.Extension == number && l.Registrar == from {
				l.Registrar = to
			}
		}
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	return e.DeleteExtension(number, from)
}

// RemoveRegistrar deletes a registrar. While extensions are on it, it is refused with them unless force is set, which
// leaves them, and the lines on them, without a registrar: phones then get no account for them until MoveExtension.
func RemoveRegistrar(e Edit, name string, force bool) error {
	if _, err := e.Registrar(name); err != nil {
		return err
	}
	var on []string
	for x, err := range e.Extensions() {
		if err != nil {
			return err
		}
		if x.Registrar == name {
			on = append(on, x.Number)
		}
	}
	if len(on) > 0 && !force {
		users := make([]string, len(on))
		for i, number := range on {
			users[i] = "extension " + number
		}
		return &InUse{"registrar " + name, users}
	}
	for _, number := range on {
		if err := MoveExtension(e, number, name, ""); err != nil {
			return err
		}
	}
	return e.DeleteRegistrar(name)
}

// RemoveProfile deletes a profile. While devices or profiles name it, it is refused with them unless force is set, which
// leaves them without it.
func RemoveProfile(e Edit, name string, force bool) error {
	if _, err := e.Profile(name); err != nil {
		return err
	}
	devices, err := devicesWithProfile(e, name)
	if err != nil {
		return err
	}
	children := map[string]*Profile{}
	for p, err := range e.Profiles() {
		if err != nil {
			return err
		}
		if p.Parent == name {
			children[p.Name] = p
		}
	}
	users := deviceNames(devices)
	for _, child := range slices.Sorted(maps.Keys(children)) {
		users = append(users, "profile "+child)
	}
	if len(users) > 0 && !force {
		return &InUse{"profile " + name, users}
	}
	for _, mac := range devices {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Profile = ""
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	for _, child := range slices.Sorted(maps.Keys(children)) {
		children[child].Parent = ""
		if err := e.PutProfile(children[child]); err != nil {
			return err
		}
	}
	return e.DeleteProfile(name)
}

// devicesWithProfile asks the fleet's index, or looks at every device where there is none.
func devicesWithProfile(f Fleet, name string) ([]MAC, error) {
	if index, ok := f.(ProfileUsers); ok {
		return index.DevicesWithProfile(name)
	}
	var out []MAC
	for d, err := range f.Devices(MAC{}) {
		if err != nil {
			return nil, err
		}
		if d.Profile == name {
			out = append(out, d.MAC)
		}
	}
	return out, nil
}

func deviceNames(macs []MAC) []string {
	out := make([]string, len(macs))
	for i, m := range macs {
		out[i] = "device " + m.String()
	}
	return out
}
