package pbxroute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fspbxClient uses the REST interface of FS PBX: it is authorized by a token, and domains are named by their UUID. FS PBX chooses the NOTIFY itself, by the phone's
// User-Agent.
type fspbxClient struct{ Config }

// call sends a request and decodes its answer.
func (c fspbxClient) call(ctx context.Context, method, path string, into any) error {
	token, err := c.password()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Address, "/")+"/api/v1"+path, nil)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	client := noRedirects()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case res.StatusCode == http.StatusUnauthorized:
		return errors.New("login refused: password_file must have a token of FS PBX")
	case res.StatusCode == http.StatusForbidden:
		return errors.New("the token may not do this: its user needs the permission domain_view")
	case res.StatusCode >= 300:
		var problem struct {
			Error struct{ Message string }
		}
		_ = json.Unmarshal(body, &problem)
		return &NotSent{Reason: fmt.Sprintf("FS PBX answered %s %s", res.Status, problem.Error.Message), Refused: true}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("address: it is no FS PBX: %w", err)
	}
	return nil
}

// fsList is one page of a list.
type fsList[T any] struct {
	HasMore bool `json:"has_more"`
	Data    []T  `json:"data"`
}

type fsDomain struct {
	UUID string `json:"domain_uuid"`
	Name string `json:"domain_name"`
}

type fsRegistration struct {
	CallID string `json:"call_id"`
	User   string `json:"user"`
	Agent  string `json:"agent"`
	LAN    string `json:"lan_ip"`
	WAN    string `json:"wan_ip"`
}

// pages reads a whole list. key returns the name of its last item, after which the next page starts.
func pages[T any](ctx context.Context, c fspbxClient, path string, key func(T) string) ([]T, error) {
	var out []T
	after := ""
	for range 10_000 {
		var page fsList[T]
		query := url.Values{"limit": {"100"}}
		if after != "" {
			query.Set("starting_after", after)
		}
		if err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		if after != "" && len(page.Data) == 0 { // FS PBX answers so when that item is gone, and has more
			return nil, fmt.Errorf("the list %s changed while it was read", path)
		}
		out = append(out, page.Data...)
		if !page.HasMore || len(page.Data) == 0 {
			break
		}
		after = key(page.Data[len(page.Data)-1])
	}
	return out, nil
}

func (c fspbxClient) domains(ctx context.Context) ([]fsDomain, error) {
	return pages(ctx, c, "/domains", func(d fsDomain) string { return d.UUID })
}

func (c fspbxClient) registrations(ctx context.Context, d fsDomain) ([]Contact, error) {
	list, err := pages(ctx, c, "/domains/"+url.PathEscape(d.UUID)+"/registrations", func(r fsRegistration) string { return r.CallID })
	out := make([]Contact, 0, len(list))
	for _, r := range list {
		user, domain, _ := strings.Cut(r.User, "@")
		out = append(out, Contact{User: user, Domain: domain, Addr: addrOf(r.WAN), Inner: addrOf(r.LAN), Agent: r.Agent, callID: r.CallID})
	}
	return out, err
}

func (c fspbxClient) notify(ctx context.Context, n Notification) error {
	domains, err := c.domains(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if strings.EqualFold(d.Name, n.Domain) {
			return c.notifyIn(ctx, d, n)
		}
	}
	return &NotSent{Reason: fmt.Sprintf("FS PBX has no domain %s that the token may see: set sip_domain of the registrar %s", n.Domain, c.Registrar), Refused: true}
}

func (c fspbxClient) notifyIn(ctx context.Context, d fsDomain, n Notification) error {
	all, err := c.registrations(ctx, d)
	if err != nil {
		return err
	}
	var own []Contact
	for _, r := range all {
		if r.User == n.User {
			own = append(own, r)
		}
	}
	chosen, err := choose(own, n)
	if err != nil {
		return err
	}
	action := "sync"
	if n.Reboot {
		action = "restart"
	}
	for _, r := range chosen {
		if strings.Contains(r.callID, "/") { // its router takes none, %2F neither
			return &NotSent{Reason: fmt.Sprintf("the registration has the Call-ID %q, and FS PBX takes none with a slash", r.callID), Refused: true}
		}
		var answer struct{ Accepted bool }
		if err := c.call(ctx, http.MethodPost, "/domains/"+url.PathEscape(d.UUID)+"/registrations/"+url.PathEscape(r.callID)+"/"+action, &answer); err != nil {
			return err
		}
		if !answer.Accepted {
			return &NotSent{Reason: "FS PBX did not accept the request", Refused: true}
		}
	}
	return nil
}

func (c fspbxClient) contacts(ctx context.Context) ([]Contact, error) {
	domains, err := c.domains(ctx)
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, d := range domains {
		list, err := c.registrations(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", d.Name, err)
		}
		out = append(out, list...)
	}
	return out, nil
}

// watch does nothing: FS PBX reports no refused registrations.
func (fspbxClient) watch(context.Context, func() time.Time, func(Refusal)) error { return nil }
