package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plugtone/provision/setting"
)

// ErrAmbiguous is wrapped by the error about a number that more than one registrar has.
var ErrAmbiguous = errors.New("more than one registrar has it")

// refError is an error about an extension: the number and, apart from it, what is wrong, so that a message that names
// the number already needn't repeat it.
type refError struct {
	ref, message string
	kind         error
}

func (e *refError) Error() string { return "extension " + e.ref + ": " + e.message }
func (e *refError) Unwrap() error { return e.kind }

// ExtensionMessage returns what is wrong with an extension without its number, for messages that name it already.
func ExtensionMessage(err error) string {
	var e *refError
	if errors.As(err, &e) {
		return e.message
	}
	return err.Error()
}

// ParseExtension reads NUMBER or NUMBER@REGISTRAR; registrar is "" when it isn't given.
func ParseExtension(ref string) (number, registrar string) {
	if i := strings.LastIndexByte(ref, '@'); i >= 0 {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

// FindExtension finds NUMBER or NUMBER@REGISTRAR. A number that two registrars have is refused with both.
func FindExtension(fleet View, ref string) (*Extension, error) {
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
		return nil, &refError{ref, "no such extension" + Nearest(number, numbers(fleet)), ErrNotFound}
	case registrar != "":
		return nil, &refError{ref, "no such extension; there is " + strings.Join(on, ", "), ErrNotFound}
	case len(all) > 1:
		return nil, &refError{ref, "is on more than one registrar; write " + strings.Join(on, " or "), ErrAmbiguous}
	}
	return all[0], nil
}

// numbers lists the first thousand numbers there are, to find the nearest ones.
func numbers(fleet View) []string {
	var out []string
	for e, err := range fleet.Extensions() {
		if err != nil || len(out) == 1000 {
			break
		}
		out = append(out, e.Number)
	}
	return out
}

// CheckExtension brings the extension into its canonical form and reports every problem as ValidationError. A registrar may be
// left out while there is exactly one.
func CheckExtension(fleet View, e *Extension) error {
	var bad ValidationError
	bad.Number("number", e.Number)
	if err := checkRegistrarOf(fleet, &bad, e); err != nil {
		return err
	}
	e.DisplayName = strings.Trim(e.DisplayName, " ")
	bad.Text("display_name", e.DisplayName, maxDisplay)
	if e.AuthUser == "" {
		e.AuthUser = e.Number
	}
	bad.Text("auth_user", e.AuthUser, maxName)
	bad.Text("voicemail", e.Voicemail, maxNumber)
	bad.Secret("password", e.Password, maxSecret)
	return bad.Err()
}

// checkRegistrarOf fills in the only registrar there is, and reports one that does not exist.
func checkRegistrarOf(fleet View, bad *ValidationError, e *Extension) error {
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
		bad.Add("registrar", e.Registrar, "no such registrar%s", Nearest(e.Registrar, names))
	case len(names) == 0:
		bad.Add("registrar", "", "there is no registrar yet; it must be made first")
	case len(names) > 1:
		bad.Add("registrar", "", "is needed while there is more than one: %s", strings.Join(names, ", "))
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

// CheckRegistrar fills in the registrar's defaults and reports every problem as ValidationError.
func CheckRegistrar(r *Registrar) error {
	var bad ValidationError
	bad.Name("name", r.Name)
	switch {
	case r.Host == "":
		bad.Add("host", "", "is needed")
	case len(r.Host) > maxHost || !setting.IsHost(r.Host):
		bad.Add("host", r.Host, "is neither an IPv4 address nor a host name; a port goes into port")
	}
	r.Transport = strings.ToLower(r.Transport)
	if r.Transport == "" {
		r.Transport = "udp"
	}
	if !slices.Contains(Transports(), r.Transport) {
		bad.Add("transport", r.Transport, "allowed is udp, tcp, tls")
	}
	if r.Port == 0 {
		r.Port = DefaultPort(r.Transport)
	}
	if r.Port < 1 || r.Port > 65535 {
		bad.Add("port", fmt.Sprint(r.Port), "allowed is 1 to 65535")
	}
	if _, _, ok := setting.SplitHostPort(r.OutboundProxy); r.OutboundProxy != "" && !ok {
		bad.Add("outbound_proxy", r.OutboundProxy, "is neither host nor host:port")
	}
	if _, _, ok := setting.SplitHostPort(r.BackupHost); r.BackupHost != "" && !ok {
		bad.Add("backup_host", r.BackupHost, "is neither host nor host:port")
	}
	if _, _, ok := setting.SplitHostPort(r.BackupOutboundProxy); r.BackupOutboundProxy != "" && !ok {
		bad.Add("backup_outbound_proxy", r.BackupOutboundProxy, "is neither host nor host:port")
	}
	if r.SIPDomain != "" && (len(r.SIPDomain) > maxHost || !setting.IsHost(r.SIPDomain)) {
		bad.Add("sip_domain", r.SIPDomain, "is neither a domain name nor an IPv4 address")
	}
	if r.RegisterExpires == 0 {
		r.RegisterExpires = setting.Duration(time.Hour)
	}
	bad.expires("register_expires", r.RegisterExpires)
	r.Settings = bad.Settings(r.Settings)
	return bad.Err()
}

// expires reports a time for which no registration may last.
func (e *ValidationError) expires(field string, d setting.Duration) {
	if t := time.Duration(d); t < 30*time.Second || t > 7*24*time.Hour || t%time.Second != 0 {
		e.Add(field, d.String(), "allowed is 30s to 7d")
	}
}
