// Package simulate plays phones that boot as a vendor pack describes real ones: DHCP with that vendor's class, host name and
// parameter list, the server taken from the option that the vendor reads, then every file in the vendor's order.
//
// It shows that a daemon, its packs and the network fit together, and makes load. It is no proof that a pack is right
// about a phone, since it uses the same pack; the scripts in cmd/plugtone/testdata use foreign clients for that.
package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// Spec is one phone to be played.
type Spec struct {
	MAC       dhcp.MAC
	Vendor    *pack.Vendor
	Model     string
	Transport string        // "tftp": fetch by TFTP for any scheme of the server's URL; "": by that scheme
	Patience  time.Duration // how long it waits for an address; 0: a minute
}

// Host is where a phone is connected: an interface of a namespace, with the phone's MAC and no address yet.
type Host struct {
	Namespace *netlab.Namespace
	Interface string
}

// Step is one thing that a phone did.
type Step struct {
	MAC  dhcp.MAC
	Took time.Duration
	Text string
}

// Fetched is one file that a phone requested.
type Fetched struct {
	Name  string
	Kind  phonefile.Kind
	Book  bool // a phonebook, which is there while it is switched on
	Bytes int
	Err   error // nil: it got the file
}

// Wanted reports whether a phone that boots needs the file. A 404 for the others is expected.
func (f Fetched) Wanted() bool {
	return !f.Book && (f.Kind == phonefile.KindDevice || f.Kind == phonefile.KindCommon || f.Kind == phonefile.KindPrivate)
}

// Result is how a boot ended.
type Result struct {
	Spec   Spec
	Addr   netip.Prefix
	Server string // base URL the files were fetched from
	Files  []Fetched
	Took   time.Duration
	Err    error // nil: the phone has an address and every file that it needs

	Leased   time.Duration // from the first DISCOVER until the ACK
	Released bool          // it has sent a RELEASE
	lease    leased
}

// Boot plays one phone until it has its files or fails. report may be nil.
func Boot(ctx context.Context, host Host, spec Spec, report func(Step)) Result {
	start := time.Now()
	logStep := func(format string, args ...any) {
		if report != nil {
			report(Step{MAC: spec.MAC, Took: time.Since(start), Text: fmt.Sprintf(format, args...)})
		}
	}
	r := Result{Spec: spec}
	r.Err = boot(ctx, host, &r, start, logStep)
	r.Took = time.Since(start)
	return r
}

func boot(ctx context.Context, host Host, r *Result, start time.Time, logStep func(string, ...any)) error {
	manner, err := r.Spec.Vendor.Boot(r.Spec.Model, r.Spec.MAC)
	if err != nil {
		return err
	}
	lease, err := obtain(ctx, host, r.Spec, manner)
	if err != nil {
		return err
	}
	r.Addr, r.lease, r.Leased = lease.addr, lease, time.Since(start)
	logStep("leased %s from %s", lease.addr, lease.server)
	if err := host.configure(lease); err != nil {
		return err
	}
	base, from, err := lease.provisioning(manner.Server)
	if err != nil {
		return err
	}
	if r.Spec.Transport == "tftp" {
		base.Scheme = "tftp"
	}
	r.Server = base.String()
	logStep("provisioning server %s by option %d", base, from)
	f := newFetcher(host, base, manner.UserAgent)
	defer f.close()
	var missed []error
	for _, file := range r.Spec.Vendor.Files(phonefile.Phone{MAC: r.Spec.MAC, Vendor: r.Spec.Vendor.ID, Model: r.Spec.Model, Enabled: true, Assigned: true}) {
		if file.File.Kind == phonefile.KindUpload || file.File.Kind == phonefile.KindFirmware {
			continue
		}
		got := Fetched{Name: file.Name, Kind: file.File.Kind, Book: file.File.MaxNumbers > 0}
		got.Bytes, got.Err = f.get(ctx, file.Name)
		r.Files = append(r.Files, got)
		switch {
		case got.Err == nil:
			logStep("fetched %s, %d bytes", got.Name, got.Bytes)
		case got.Wanted():
			logStep("did not get %s: %v", got.Name, got.Err)
			missed = append(missed, fmt.Errorf("%s: %w", got.Name, got.Err))
		default:
			logStep("requested %s, which it can do without", got.Name)
		}
	}
	if len(r.Files) == 0 {
		return errors.New("the pack names no file that this model requests")
	}
	return errors.Join(missed...)
}

// Got counts the files that arrived.
func (r Result) Got() int {
	n := 0
	for _, f := range r.Files {
		if f.Err == nil {
			n++
		}
	}
	return n
}

// MarshalJSON prints the result for programs.
func (r Result) MarshalJSON() ([]byte, error) {
	type file struct {
		Name  string `json:"name"`
		Kind  string `json:"kind"`
		Bytes int    `json:"bytes"`
		Error string `json:"error,omitempty"`
	}
	files := make([]file, len(r.Files))
	for i, f := range r.Files {
		files[i] = file{Name: f.Name, Kind: string(f.Kind), Bytes: f.Bytes, Error: text(f.Err)}
	}
	return json.Marshal(struct {
		MAC     dhcp.MAC     `json:"mac"`
		Vendor  string       `json:"vendor"`
		Model   string       `json:"model"`
		Addr    netip.Prefix `json:"addr,omitzero"`
		Server  string       `json:"server,omitempty"`
		Seconds float64      `json:"seconds"`
		Files   []file       `json:"files"`
		Error   string       `json:"error,omitempty"`
	}{r.Spec.MAC, r.Spec.Vendor.ID, r.Spec.Model, r.Addr, r.Server, r.Took.Seconds(), files, text(r.Err)})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
