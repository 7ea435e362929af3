package client

import (
	"context"
	"time"
)

// WebLogin is an address of the page that signs in once.
type WebLogin struct {
	URLs      []string  `json:"urls" doc:"the address, by each name and port that the page has; those that other machines reach come first" example:"[\"http://127.0.0.1:8067/login/K7M2X9Q4W8R3T6Y5N2B4ABCDEF\"]"`
	ExpiresAt time.Time `json:"expires_at" doc:"until when it can be used" example:"2026-11-22T12:05:00Z"`
}

// WebLogin makes an address that signs in to the page once.
func (c Operation) WebLogin(ctx context.Context) (out WebLogin, err error) {
	return out, c.conn.post(ctx, "/web/login", nil, &out)
}
