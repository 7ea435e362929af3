package pbxroute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plugtone/provision/pbx"
)

// kamailioClient lists the contacts of Kamailio or OpenSIPS (module usrloc): from the table location of their database, or by Kamailio's JSON-RPC over HTTP (modules jsonrpcs
// and xhttp). It sends no NOTIFY.
type kamailioClient struct{ Config }

// validateKamailio returns an error that names the key that can't be used.
func (c Config) validateKamailio() error {
	if !c.http() {
		if err := pbx.CheckDSN(c.Address); err != nil {
			return fmt.Errorf("address: %w; or the URL of Kamailio's JSON-RPC, such as http://127.0.0.1:8080/RPC", err)
		}
		return nil
	}
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return errors.New("address must be the URL of Kamailio's JSON-RPC, such as http://127.0.0.1:8080/RPC; user and password belong into user and password_file")
	case c.User != "" && c.PasswordFile == "":
		return errors.New("has a user and no password_file")
	}
	return nil
}

// http reports whether the address is that of an HTTP server.
func (c Config) http() bool {
	return strings.HasPrefix(c.Address, "http://") || strings.HasPrefix(c.Address, "https://")
}

func (c kamailioClient) notify(context.Context, Notification) error {
	return &NotSent{Reason: "Kamailio is used to list who is registered, not to notify phones", Refused: true}
}

func (c kamailioClient) contacts(ctx context.Context) ([]Contact, error) {
	if c.http() {
		return c.dump(ctx)
	}
	list, err := pbx.ReadRegistrations(ctx, c.Address, c.PasswordFile)
	out := make([]Contact, 0, len(list))
	for _, r := range list {
		out = append(out, usrlocContact(r))
	}
	return out, err
}

// usrlocContact reads a registration. What usrloc does not have is "", or in JSON-RPC "[not set]".
func usrlocContact(r pbx.Registration) Contact {
	c := Contact{User: r.User, Domain: r.Domain, Addr: hostOf(r.Received), Inner: hostOf(r.Contact), Agent: r.Agent}
	if !c.Addr.IsValid() {
		c.Addr = c.Inner
	}
	return c
}

// dump uses the command ul.dump.
func (c kamailioClient) dump(ctx context.Context) ([]Contact, error) {
	var tables struct {
		Domains []struct {
			Domain struct {
				AoRs []struct {
					Info struct {
						AoR      string
						Contacts []struct {
							Contact struct {
								Address, Received string
								Agent             string `json:"User-Agent"`
							}
						}
					}
				}
			}
		}
	}
	if err := c.call(ctx, "ul.dump", &tables); err != nil {
		return nil, err
	}
	out := []Contact{}
	for _, t := range tables.Domains {
		for _, a := range t.Domain.AoRs {
			user, domain, _ := strings.Cut(a.Info.AoR, "@")
			for _, x := range a.Info.Contacts {
				out = append(out, usrlocContact(pbx.Registration{User: user, Domain: domain, Contact: x.Contact.Address, Received: x.Contact.Received, Agent: x.Contact.Agent}))
			}
		}
	}
	return out, nil
}

// call runs a command by JSON-RPC 2.0.
func (c kamailioClient) call(ctx context.Context, command string, into any) error {
	question, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": command, "id": 1})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Address, bytes.NewReader(question))
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.User != "" {
		password, err := c.password()
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.User, password)
	}
	client := noRedirects()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Result == nil && answer.Error == nil {
		return fmt.Errorf("address: it is no JSON-RPC of Kamailio, it answered %s", res.Status)
	}
	if answer.Error != nil {
		return fmt.Errorf("it refuses %s (%s): load the module usrloc, and allow the command", command, answer.Error.Message)
	}
	return json.Unmarshal(answer.Result, into)
}

// watch does nothing: usrloc has no refused registrations.
func (kamailioClient) watch(context.Context, func() time.Time, func(Refusal)) error { return nil }

// noRedirects returns a client that follows none: it could carry the password to another host.
func noRedirects() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
