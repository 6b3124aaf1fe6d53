/** The headers of a browser; every arm sends them. */
export const browser = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  accept: 'application/json, text/plain, */*',
  'accept-language': 'en-GB,en;q=0.7,de;q=0.3',
  'accept-encoding': 'gzip, deflate, br, zstd',
  referer: 'https://app.example.com/orders',
  'sec-fetch-dest': 'empty',
  'sec-fetch-mode': 'cors',
  'sec-fetch-site': 'same-origin',
  'cache-control': 'no-cache'
}

export const otherCookies = 'theme=dark; _ga=GA1.1.1038402131.1755000000'
