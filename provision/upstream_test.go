package provision_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/upstream"
)

// pbx is an Upstream in memory.
type pbx struct {
	answer  upstream.Answer
	fetched []upstream.Request
}

func (p *pbx) Fetch(_ context.Context, r upstream.Request) upstream.Answer {
	p.fetched = append(p.fetched, r)
	return p.answer
}

func (p *pbx) Last(dhcp.MAC, string, fleet.Upstream) (upstream.Answer, bool) {
	a := p.answer
	a.Outcome = upstream.Last
	return a, p.answer.Outcome == upstream.Answered
}

// behindPBX makes the front deskFile's files those of a PBX.
func behindPBX(t *testing.T, h *fixture) {
	t.Helper()
	err := h.records.Edit("test", "upstream", func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err != nil {
			return err
		}
		d.Profile = "below"
		return errors.Join(e.PutProfile(&fleet.Profile{Name: "top", Upstream: []string{"http://pbx1/", "http://pbx2/"}, UpstreamUser: "u", UpstreamPassword: "p"}),
			e.PutProfile(&fleet.Profile{Name: "below", Parent: "top"}), e.PutDevice(d))
	})
	if err != nil {
		t.Fatal(err)
	}
}

const deskFile = "001565123456.cfg"

func TestUpstreamRendersThePhonesFiles(t *testing.T) {
	p := &pbx{answer: upstream.Answer{Outcome: upstream.Answered, PBX: "pbx1", Time: noon, Body: []byte("from pbx1"), Digest: strings.Repeat("0", 64), MediaType: "text/plain"}}
	h := newFixture(t)
	h.upstream.Upstream = p
	h.get(deskFile, "10.20.1.7") // cached
	behindPBX(t, h)
	a := h.send(provision.Request{Name: deskFile, Method: "GET", Transport: fleet.HTTP, From: netip.MustParseAddr("10.20.1.7"), UserAgent: "agent"})
	if h.served(a) != "from pbx1" || a.Upstream == nil || a.Upstream.By != "pbx1" || a.Old {
		t.Errorf("%+v", a)
	}
	contains(t, a.Reason, "answered by pbx1; ")
	r := p.fetched[0]
	if r.MAC != front || r.Name != deskFile || r.UserAgent != "agent" || r.From.String() != "10.20.1.7" || len(r.Upstream.URLs) != 2 || r.Upstream.User != "u" {
		t.Errorf("%+v", r)
	}
	// A request without a proof does not reach the PBX, and no preview does.
	if a := h.get(deskFile, "10.20.1.99"); a.Outcome != provision.Refused {
		t.Errorf("without proof: %+v", a)
	}
	ctx := context.Background()
	f, err := h.File(ctx, front, deskFile, netip.Prefix{}, false)
	if err != nil || string(f.Body) != "***\n" || !f.Masked || f.Digest != a.Digest {
		t.Errorf("masked preview: %+v %v", f, err)
	}
	if f, err = h.File(ctx, front, deskFile, netip.Prefix{}, true); err != nil || string(f.Body) != "from pbx1" {
		t.Errorf("preview: %+v %v", f, err)
	}
	contains(t, f.Reason, "rendered by pbx1; this is its last answer")
	if len(p.fetched) != 1 {
		t.Errorf("%d requests", len(p.fetched))
	}
	// A disabled phone loses its accounts, whatever the PBX renders.
	err = h.records.Edit("test", "disable", func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err != nil {
			return err
		}
		d.Enabled = false
		return e.PutDevice(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := h.get(deskFile, "10.20.1.7"); strings.Contains(h.served(a), "pbx1") {
		t.Errorf("disabled: %+v", a)
	}
}

func TestStateOfAPhoneBehindAPBX(t *testing.T) {
	p := &pbx{}
	h := newFixture(t)
	h.upstream.Upstream = p
	behindPBX(t, h)
	state := func() string {
		st, err := h.Status(context.Background(), front)
		if err != nil || st.Upstream == nil || st.Upstream.Hosts != "pbx1, pbx2" {
			t.Errorf("%+v %v", st, err)
		}
		return st.State
	}
	digest := strings.Repeat("1", 64)
	h.fetches = []fleet.Fetch{{MAC: front, File: deskFile, Kind: "device", Digest: digest, Time: noon}}
	if s := state(); s != "stale" {
		t.Errorf("before the PBX has answered: %s", s)
	}
	p.answer = upstream.Answer{Outcome: upstream.Answered, PBX: "pbx1", Time: noon, Digest: digest}
	if s := state(); s != "in_sync" {
		t.Errorf("after a fetch: %s", s)
	}
	p.answer.Digest = strings.Repeat("2", 64)
	if s := state(); s != "stale" {
		t.Errorf("after another answer: %s", s)
	}
	if len(p.fetched) > 0 {
		t.Error("the state was requested of the PBX")
	}
}

func TestUpstreamThatDoesNotAnswer(t *testing.T) {
	p := &pbx{}
	h := newFixture(t)
	h.upstream.Upstream = p
	behindPBX(t, h)
	p.answer = upstream.Answer{Outcome: upstream.Failed, Trouble: "pbx1 is unreachable: refused"}
	a := h.get(deskFile, "10.20.1.7")
	if a.Outcome != provision.InternalError || a.Status != 503 { // the phone is to try again
		t.Errorf("%+v", a)
	}
	contains(t, a.Reason, "no PBX answered, and none has before: pbx1 is unreachable: refused")
	p.answer = upstream.Answer{Outcome: upstream.Last, PBX: "pbx1", Time: noon, Body: []byte("old"), Digest: strings.Repeat("0", 64), Trouble: "pbx1 is unreachable: refused"}
	a = h.get(deskFile, "10.20.1.7")
	if h.served(a) != "old" || !a.Old {
		t.Errorf("%+v", a)
	}
	contains(t, a.Reason, "pbx1 is unreachable: refused: the last answer of pbx1, of 2026-11-22T12:00:00Z, was sent")
	p.answer = upstream.Answer{Outcome: upstream.NotFound, PBX: "pbx1"}
	a = h.get(deskFile, "10.20.1.7")
	if a.Outcome != provision.NotFound {
		t.Errorf("%+v", a)
	}
	contains(t, a.Reason, "pbx1 has no "+deskFile+" for this phone")
}
