package pbx_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/pbx"
)

// locations are the tables of Kamailio 5.6 and OpenSIPS 3.4, with the columns that matter. Kamailio's expires is local time of its host, without a zone.
const locations = `
CREATE TABLE location (id integer, ruid varchar(64), username varchar(64), domain varchar(64), contact varchar(512), received varchar(128), path varchar(512), expires %[1]s,
  user_agent varchar(255));
INSERT INTO location VALUES (1,'a','1001','sip.example.com','sip:1001@192.168.1.7:5060;ob','sip:198.51.100.4:1024',NULL,%[2]s,'Yealink SIP-T46U'),
  (2,'b','1002',NULL,'sip:1002@10.20.1.8',NULL,NULL,%[3]s,''),(3,'c','1003',NULL,'sip:1003@10.20.1.9',NULL,NULL,%[4]s,'');
`

var wantLocations = []pbx.Registration{
	{User: "1001", Domain: "sip.example.com", Contact: "sip:1001@192.168.1.7:5060;ob", Received: "sip:198.51.100.4:1024", Agent: "Yealink SIP-T46U"},
	{User: "1002", Contact: "sip:1002@10.20.1.8"}, // permanent
}

func (s server) registrations(t *testing.T, database string) {
	t.Helper()
	got, err := pbx.ReadRegistrations(context.Background(), fmt.Sprintf(s.dsn, database), s.password)
	if err != nil || !slices.Equal(got, wantLocations) {
		t.Errorf("%+v, %v", got, err)
	}
}

func registrationsOfPostgreSQL(t *testing.T, s server) {
	for name, sql := range map[string]string{
		"location_kamailio": fmt.Sprintf(locations, "timestamp", "now() - interval '5 hours'", "'1970-01-01 00:00:00'", "'2026-01-02 03:04:05'"),
		"location_opensips": fmt.Sprintf(locations, "integer", "extract(epoch FROM now())::int + 60", "0", "extract(epoch FROM now())::int - 60"),
	} {
		s.run(t, "postgres", "CREATE DATABASE "+name)
		s.run(t, name, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+sql)
		s.registrations(t, name)
	}
	if _, err := pbx.ReadRegistrations(context.Background(), fmt.Sprintf(s.dsn, "postgres"), s.password); err == nil || !strings.Contains(err.Error(), "there is no table location") {
		t.Error(err)
	}
}

func registrationsOfMariaDB(t *testing.T, s server) {
	for name, sql := range map[string]string{
		"location_kamailio": fmt.Sprintf(locations, "datetime", "now() - interval 5 hour", "'1970-01-01 00:00:00'", "'2026-01-02 03:04:05'"),
		"location_opensips": fmt.Sprintf(locations, "int unsigned", "UNIX_TIMESTAMP() + 60", "0", "UNIX_TIMESTAMP() - 60"),
	} {
		s.run(t, "mysql", "CREATE DATABASE "+name+"; USE "+name+";"+sql)
		s.registrations(t, name)
	}
}
