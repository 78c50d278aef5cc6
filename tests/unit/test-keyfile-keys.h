/* Throwaway keys for test-keyfile.c; nothing trusts them. */

static const char key_ed25519[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
	"QyNTUxOQAAACCBlaSEBO5k7++iRVjaYb4LrFDVZGiLtt+oXBIn7jrGLQAAAIhfyvKrX8ry\n"
	"qwAAAAtzc2gtZWQyNTUxOQAAACCBlaSEBO5k7++iRVjaYb4LrFDVZGiLtt+oXBIn7jrGLQ\n"
	"AAAEBkYtOflKJb2Ua/1xDf5nvsm3SAn/WsHwpoAH67BYyXS4GVpIQE7mTv76JFWNphvgus\n"
	"UNVkaIu236hcEifuOsYtAAAABHRlc3QB\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char print_ed25519[] = "SHA256:88wsc7JGVDyrmEnrx8jZVhAkCvzeP+hg6YxInbIlwyc";

static const char key_ecdsa256[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
	"1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQQkMqPmhucbzkDXyYRkP/wrAqkNdNiU\n"
	"YG18ne6Cwm2CCBmrJyKC17EjrSdFquF4NT9nS8tono2sItEGHKzs6E3cAAAAoAXRx8YF0c\n"
	"fGAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCQyo+aG5xvOQNfJ\n"
	"hGQ//CsCqQ102JRgbXyd7oLCbYIIGasnIoLXsSOtJ0Wq4Xg1P2dLy2iejawi0QYcrOzoTd\n"
	"wAAAAgcZITV8RKhMS2l6LVdaIaV6DfcRpnRwkwESf4UgESWVoAAAAEdGVzdAECAwQ=\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char print_ecdsa256[] = "SHA256:IIkQVjqcJFGLbr4X57XIDjIR+DjQUKe68F7a6AFweYI";

static const char key_ecdsa521[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAArAAAABNlY2RzYS\n"
	"1zaGEyLW5pc3RwNTIxAAAACG5pc3RwNTIxAAAAhQQBHO/SdQNnAI8pfIWQCtYFxl/Pd+QL\n"
	"/TeXcxav3eFAvRqOyMy/xdoc7ZDj0NM4ux29bnRBZxUhC/sUXyWc3BmtNH8BSmhbsiNOMF\n"
	"DfToGtCEpLDzD8qO5HCwrtrjxHaDyicsc25zfoXywVELTYtHYcgNWYMg2eYpS+6jfSwZ+P\n"
	"MV0XUjkAAAEIgqBi3YKgYt0AAAATZWNkc2Etc2hhMi1uaXN0cDUyMQAAAAhuaXN0cDUyMQ\n"
	"AAAIUEARzv0nUDZwCPKXyFkArWBcZfz3fkC/03l3MWr93hQL0ajsjMv8XaHO2Q49DTOLsd\n"
	"vW50QWcVIQv7FF8lnNwZrTR/AUpoW7IjTjBQ306BrQhKSw8w/KjuRwsK7a48R2g8onLHNu\n"
	"c36F8sFRC02LR2HIDVmDINnmKUvuo30sGfjzFdF1I5AAAAQSjFc+KQZI/aSzD0W0Fvcd+2\n"
	"pAg1UH+hEV6IOcnk5sRT576l+CRLBsh/1NKVRfa+A5Gllwj5T6fskPc4FBFNYeFNAAAABH\n"
	"Rlc3QBAgMEBQYH\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char print_ecdsa521[] = "SHA256:G/RB1wTCD6nHc6rITj7Q71Swk5pXvqjca6G2Md3st7I";

static const char key_pem_ecdsa384[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MIGkAgEBBDBPCPqwcIRe3J+U5871ofebZtK34T1MZpOVQTLXFrQCLxDxExlhozTm\n"
	"wE/91iHuweOgBwYFK4EEACKhZANiAATBo16xTJLv1LoH+H/RrJ9cWdpy5bYa501h\n"
	"4OhLUAM0XwbNP0z9KMl3XMoxRMXrs0e51KuZMB8/c6Cugcpa3CJIwsEmhkuEXA4X\n"
	"Tefds0AWQ7nxNgMHa4vaqYQ2LeTtp9M=\n"
	"-----END EC PRIVATE KEY-----\n";

static const char print_pem_ecdsa384[] =
	"SHA256:hS5iaaooDgq+gskCEV9AgkBDyxXZtc+93Vu7BHKEJXo";

static const char key_encrypted[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABARq7KJwV\n"
	"eXqEVTiSS2+ngBAAAABAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAICz1j1fD3y6FEQ2+\n"
	"nGQ5v+wzwRinFe5Z7z5Aa/zCwIgvAAAAkOsfUWkOZgeaayz156Od73cmXCmmumPGrlmnvG\n"
	"//YiJC4hLThUORDrIEJgV8md4T3ppjZoMJmclNF6zBtRtthu0nH7EqKDQ5DAJ6RP1WLgDr\n"
	"8U3P0XC5GbgGtDVphIkoKktkEjUr1VKoRrgKE5tevxdJkYb8G9pBwgiCSuDwkmKjTNrKNz\n"
	"VmPQZas5yXnq6AQw==\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char print_encrypted[] =
	"SHA256:JHkr0FW6iDmuTHWVlfHP4iXhvQ5Z6DHbZC/bmOxC2e0";

static const char key_pem_encrypted[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"Proc-Type: 4,ENCRYPTED\n"
	"DEK-Info: AES-128-CBC,A84041ECF7982CFDE0016477F32823C4\n"
	"\n"
	"jXVgnU5p/EDV6JzcGQ2Wal3IshmqK9k4oxzoDYMdsqkLY0kPSyoXK3vsFyod1xhT\n"
	"T7+tci4NYWi0MoPwbrE5ShL6sS8+aEF3ZlJnf2C8YoLFUGSivLLm2Sb40HurRnx0\n"
	"WH5A0suucSeUbnmc/jC4RwzaDdIoAwphXc0rPXZOKp4=\n"
	"-----END EC PRIVATE KEY-----\n";

static const char print_pem_encrypted[] =
	"SHA256:hjGI0qyKhfQikJK/acVQOYJGZU+uSFPqDX9jzB/CvW4";

static const char key_rsa[] =
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAlwAAAAdzc2gtcn\n"
	"NhAAAAAwEAAQAAAIEA2+2a2JdEVvmIZoL7aOgET3BUCd/P7C4TK0FOWLMVoI2nscCQvCCy\n"
	"UdBcNCLcMLInu3mjIKXDzW+0kayJmscXNEsR+V8ZJkY0wZMmtUvt6WtI0HPmnmHaegMUVt\n"
	"Jwmw25BFvqDJp10HOcIxQRgoOQwssRzSSAFnST3WZRlUbaZfcAAAIAn0GNxJ9BjcQAAAAH\n"
	"c3NoLXJzYQAAAIEA2+2a2JdEVvmIZoL7aOgET3BUCd/P7C4TK0FOWLMVoI2nscCQvCCyUd\n"
	"BcNCLcMLInu3mjIKXDzW+0kayJmscXNEsR+V8ZJkY0wZMmtUvt6WtI0HPmnmHaegMUVtJw\n"
	"mw25BFvqDJp10HOcIxQRgoOQwssRzSSAFnST3WZRlUbaZfcAAAADAQABAAAAgC1nXmJ8yD\n"
	"UUix5uyCyeSdWEoTTwqeJemMKDVwNk5YAh/o7p7HeKYIYXeBGjaMX84csIj677yfKtrx+r\n"
	"+TSlCZr2HD4v8ImVhdf5Bcl76tlzJvVCcgmTki/tb7pEDxmssSJnO1Ir34GEb3DsYJomWq\n"
	"dOaBLMs0YyC6Cqan/xV53RAAAAQQDuu69YZd2k1+8BG/Mp075JrU+YJPJ7yiOWZx9QSf56\n"
	"zl8ojeWmAD1FBURxhRLpdhIBj3QZ+ujCCEAgDnjGjeiWAAAAQQD3s9LlzgtGbV3ErDiunv\n"
	"pwDVjRbDiZyaFCwFVDzBd1VCSV3hd8xDTEyF+w0raZG0fqZAE3WtNzlQt5aoPTqEabAAAA\n"
	"QQDjS5onIAM7uy0vNOyEtG/yQY1UT2iqNovwgeBCqxDTL1hUrYP78em2wX9tW6jukYb3jA\n"
	"6DagDehlsjmY+xfeXVAAAABHRlc3QBAgMEBQY=\n"
	"-----END OPENSSH PRIVATE KEY-----\n";

static const char key_pem_rsa[] =
	"-----BEGIN RSA PRIVATE KEY-----\n"
	"MIICXAIBAAKBgQDfJDNZW3SKg0igXzqhJOvaW5pXWLUD31RVMJ9VobZuQ6EJMtDe\n"
	"vLc7xGgldM+t0mVcamTo4Bscy9/QiEwe/Y5kd6xnN3i6flHyh2t6tslozj6o0vFC\n"
	"8I+DEnIU0P4d5RFZ/vggAY+kvvZpNV8eLVJ2u1Kb1tAL2beRl8SM8rnwgQIDAQAB\n"
	"AoGBAIfZRzXAmwv071NLhqsyijBvEmDZDaMk5PfUWTzN7f3lSHYMLONd6wQFCA69\n"
	"te4yKCmCUJsCTR9T85fGUumPHo9iymGdJqnOtAIXwUBJPMFu8OlFP8VUF/7dsZof\n"
	"AgCsl7d+UAD1+LVwM/e5gwOL6PPgPk3ldjEdEkKO2XX8y8lBAkEA8r/TjmCNPxGW\n"
	"Txw7eITFB7HKRKEUNaxWTItGbBx2wQQYC80rvyP+9EOuT3BmLToM6F0Vx8AyqNdY\n"
	"cqvopCzjGQJBAOtSX6dfhMzaCtnphjqcUbom5tg4nljdcgtanQlnpp+rk6qakZDL\n"
	"6EH98pm95cLeZ+eD8xjlupCQj+KD5WXFzakCQFAnlyuEJh+VJxSoNdrtvEF2K1vN\n"
	"9GZkqXpM4sv/+hZxy57Z+H/82sq9Lml8q8BzUp/HXNHAXPnzYXk72m2bhMECQAzm\n"
	"ujnJ4dT9S0UBKYvDEDP9eAB4si27DkqTEDL4zMjKNlFPIhXnJ/eePZOyNouFd/rY\n"
	"YBaIWb8dPdY0VvpKaukCQFewZUdwAAvbROA7VnNe6WmY2IbwjvI2p3UvjiE/V4DX\n"
	"rBpy+rhEUpJv6l/roEFcuNXawWDtw8DfnIWHp2i5R3w=\n"
	"-----END RSA PRIVATE KEY-----\n";
