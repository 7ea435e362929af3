package provision

import (
	"context"
	"fmt"
	"net/http"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/upstream"
)

// Upstream requests files of the PBXs that render them. *upstream.Client implements it.
type Upstream interface {
	// Fetch requests a file. It may wait some seconds, and goes on when ctx ends.
	Fetch(ctx context.Context, r upstream.Request) upstream.Answer
	// Last returns the last answer to a request of the phone for the file. It does not wait.
	Last(mac dhcp.MAC, name string, u fleet.Upstream) (upstream.Answer, bool)
}

// upstreams is where files are rendered that are not rendered here.
type upstreams struct {
	records fleet.Records
	client  Upstream // nil: no PBX is requested
}

// profileKey is what a cached upstream depends on.
type profileKey struct {
	profile  string
	revision uint64
}

// of returns where the proven phone's files are rendered; without URLs it is here. A disabled device's are, so that it loses its accounts.
func (s upstreams) of(q *fileRequest) (u fleet.Upstream, err error) {
	d := q.auth.device
	if d == nil || d.Profile == "" || !d.Enabled {
		return u, nil
	}
	if u, ok := q.generation.upstreams.Get(profileKey{d.Profile, q.auth.revision}); ok {
		return u, nil
	}
	return s.read(d, q.generation)
}

func (s upstreams) read(d *fleet.Device, g *generation) (u fleet.Upstream, err error) {
	err = s.records.View(func(f fleet.View) error {
		if u, err = fleet.UpstreamOf(f, d.Profile); err == nil {
			g.upstreams.Put(profileKey{d.Profile, f.Revision()}, u, 1)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("%w: upstream of %s: %w", fleet.ErrInternal, d.MAC, err)
	}
	return u, err
}

// answer answers with what a PBX renders. Only a phone's own request goes there: a preview is the last answer.
func (s upstreams) answer(ctx context.Context, q *fileRequest, u fleet.Upstream, reason string) product {
	mac, name := q.auth.device.MAC, q.name.Name
	if q.commit && q.Transport != fleet.Preview && s.client != nil {
		if q.Waits != nil {
			q.Waits()
		}
		a := s.client.Fetch(ctx, upstream.Request{MAC: mac, Name: name, From: q.who.source.Addr, UserAgent: q.UserAgent, Upstream: u})
		return q.ofUpstream(u, a, reason)
	}
	if s.client != nil {
		if a, ok := s.client.Last(mac, name, u); ok {
			p := q.ofUpstream(u, a, "")
			p.Reason = fmt.Sprintf("rendered by %s; this is its last answer, of %s", a.PBX, until(a.Time))
			return p
		}
	}
	p := q.notFound("rendered by %s, which has not answered for it yet", u.Hosts())
	p.Upstream = &devicestatus.Upstream{Hosts: u.Hosts()}
	return p
}

// ofUpstream is the answer that came from a PBX.
func (q *fileRequest) ofUpstream(u fleet.Upstream, a upstream.Answer, reason string) product {
	p := q.blank()
	p.Upstream = &devicestatus.Upstream{Hosts: u.Hosts(), Answered: a.Time, By: a.PBX}
	trouble := ""
	if a.Trouble != "" {
		trouble = "; " + a.Trouble
	}
	switch a.Outcome {
	case upstream.NotFound:
		p.Outcome, p.Status, p.Reason = NotFound, http.StatusNotFound, fmt.Sprintf("%s has no %s for this phone%s", a.PBX, q.name.Name, trouble)
		return p
	case upstream.Answered:
		p.Reason = fmt.Sprintf("answered by %s%s; %s", a.PBX, trouble, reason)
	case upstream.Last:
		p.Reason, p.Old = fmt.Sprintf("%s: the last answer of %s, of %s, was sent; %s", a.Trouble, a.PBX, until(a.Time), reason), true
	default:
		p.Answer.fail(fmt.Errorf("%w: no PBX answered, and none has before: %s", fleet.ErrInternal, a.Trouble))
		p.Reason = fmt.Sprintf("no PBX answered, and none has before: %s", a.Trouble)
		return p
	}
	p.Outcome, p.Body, p.Size, p.Digest, p.ETag = Served, a.Body, int64(len(a.Body)), a.Digest, etag(a.Digest)
	if p.MediaType = a.MediaType; p.MediaType == "" {
		p.MediaType = q.file.match.File.MediaType
	}
	return p
}
